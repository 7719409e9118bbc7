"""One source on its way into the shards: learn words, plan, index parts, fill the shards with them.

Every step leaves on disk what the next one needs, and finds there what was done before.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blcf import __version__
from blcf.adding import AddReport
from blcf.adding.writer import learn_words
from blcf.collection import DecodingNotes
from blcf.collection.manifest_form import MODEL
from blcf.collection.shards import Shards, is_sharded, lanes_after, model_digest
from blcf.distributed.dealing import Plan, parts_of, some_of, source_digest
from blcf.distributed.homes import choose_homes, find_homes, n_workers
from blcf.distributed.jobs import Job, Work
from blcf.distributed.learning import ClusterDraw, ClusterLook
from blcf.distributed.outcome import Outcome, second_try
from blcf.distributed.parts import Part, finished_parts, index_part
from blcf.distributed.planning import make_plan, read_plan
from blcf.distributed.shard_jobs import (
    Tried,
    begin_shard,
    clear_shard,
    create_shard,
    fill_shard,
    look_up,
)
from blcf.distributed.template import Options
from blcf.distributed.worker import How, Own, named
from blcf.errors import BlcfError, InvalidInput, OutOfMemory
from blcf.images import Source
from blcf.progress import tqdm
from blcf.storage import Member, write_json

if TYPE_CHECKING:

    from blcf.collection import Model

__all__ = ["SourceIndexing"]

logger = logging.getLogger(__name__)

PLAN = "indexing.json"
_TRIES = 2  # of a part, each on three workers at most


class SourceIndexing:
    """The pictures of one source, on their way into the shards."""

    def __init__(
        self,
        work: Work,
        folder: Path,
        options: Options,
        model: Model,
        images: Source,
        given: Mapping[str, Mapping[str, Any]],
    ):
        self.work, self.folder, self.options = work, folder, options
        self.model, self.images, self.given = model, images, given
        self.plan_file = Member(self.folder, PLAN)
        self.how = How(
            __version__,
            str(self.folder),
            model.settings.to_dict(),
            model.collection.manifest["extractor"],
            self.options.weights,
            self.options.device,
            self.options.dtype,
        )
        network = None if isinstance(self.options.network, str) else self.options.network
        own = Own(network, self.options.functions)
        self.own = work.keep(own)

    def index(self) -> AddReport:
        """Index them; gives what was done."""
        if not len(self.images):
            return AddReport(0, 0, dict(self.images.problems))
        if not self.model.is_learned:
            self._learn()
        shards, is_new = self._open_shards()
        self.shards, self.homes = shards, find_homes(self.work, shards)
        plan = self._begin(self._plan(is_new))
        outcome = self._index_parts(plan)
        n_replaced = self._fill(plan, outcome)
        failed = {name: why for them in outcome.failed.values() for name, why in them.items()}
        skipped = {**dict(self.images.problems), **outcome.skipped, **failed}
        n_present, n_changed, n_gone = plan.known
        return AddReport(
            outcome.n_new - n_replaced,
            n_present + outcome.n_before + sum(plan.filled.values()),
            skipped,
            n_replaced,
            n_changed,
            n_gone,
            outcome.dropped,
        )

    def _learn(self) -> None:
        collection = self.model.collection
        with collection.writing(), DecodingNotes(collection.file("decoding")) as large:
            learn_words(
                self.model,
                self.images,
                progress=self.options.progress,
                large=large,
                draw=ClusterDraw(self.work, self.how, self.own, self.options.progress),
                look=ClusterLook(self.work),
            )
            collection.drop_training()

    def _open_shards(self) -> tuple[Shards, bool]:
        """The shards, and whether they were made now."""
        wanted = self.options.n_shards
        if is_sharded(self.folder):
            shards = Shards.read(self.folder)
            if wanted not in (None, len(shards)):
                raise InvalidInput(
                    f"{self.folder} has {len(shards):,} shards, got n_shards {wanted:,}. Leave it "
                    "out, or merge the collection and split it anew."
                )
            shards.check(self.model.collection)
            return shards, False
        n_shards = wanted or n_workers(self.work)
        paths, homes = choose_homes(self.work, self.folder, self.options.folder, n_shards)
        manifest = self.model.collection.manifest
        content = Path(self.model.collection.file(MODEL)).read_bytes()
        model = self.work.keep(content)
        description = {name: manifest[name] for name in ("settings", "extractor")}
        self.work.all_of(
            Job(named, (create_shard, str(path), description, manifest["model"], model), at, home)
            for at, (path, home) in enumerate(zip(paths, homes))
        )
        shards = Shards(self.folder, model_digest(manifest), paths, [0] * n_shards)
        shards.write()
        return Shards.read(self.folder), True

    def _on_shards(self, function: Any, *arguments: Any, of: Iterable[int] | None = None) -> list:
        """What a function gives of each shard; arguments that are lists have a value for each."""
        numbers = range(len(self.shards)) if of is None else of
        return self.work.all_of(
            Job(
                named,
                (
                    function,
                    str(self.shards.paths[number]),
                    *(one[number] if isinstance(one, list) else one for one in arguments),
                ),
                number,
                self.homes[number],
            )
            for number in numbers
        )

    def _plan(self, is_new: bool) -> Plan:
        """The plan that an earlier call has begun, of the same source; or a new one."""
        digest = source_digest(self.images, self.options.replace)
        plan = read_plan(self.plan_file)
        if plan is not None and plan.source == digest:
            logger.info("resuming an interrupted run")
            return plan
        if plan is not None:
            self._finish(plan)
        seen = None
        if not is_new:
            given = self.work.keep(self.given)
            images = self.work.keep(self.images)
            seen = self._on_shards(look_up, images, given)
        plan = make_plan(self.images, digest, self.options.replace, len(self.shards), seen)
        write_json(self.plan_file, plan.to_dict())
        return plan

    def _finish(self, plan: Plan) -> None:
        """Keep what was done of the pictures of another source, and forget the rest."""
        plan = self._begin(plan)
        done = self._on_shards(finished_parts)
        self._on_shards(fill_shard, done, tuple(plan.firsts), None, {}, ())
        self._on_shards(clear_shard)
        self.plan_file.unlink()

    def _begin(self, plan: Plan) -> Plan:
        """Give each shard its lane of ids; pictures that were added meanwhile come first."""
        while True:
            lanes = lanes_after(plan.first + plan.n_images, len(self.shards))
            found = self._on_shards(begin_shard, lanes)
            if found == lanes:
                return plan
            plan = replace(plan, firsts=[*plan.firsts, max(found)])
            write_json(self.plan_file, plan.to_dict())

    def _index_parts(self, plan: Plan) -> Outcome:
        outcome = Outcome()
        n_images = sum(last - first for _, first, last in plan.runs)
        bar = tqdm(
            total=n_images,
            desc="indexing pictures",
            unit=" picture",
            disable=not self.options.progress or not n_images,
            mininterval=0.5,
        )
        again: list[Job] = []
        with bar:
            jobs: Iterable[Job] = self._jobs(plan)
            for attempt in range(_TRIES):
                again = []
                for done in self.work.run(jobs):
                    if done.error is None:
                        outcome.take(done)
                    elif isinstance(done.error, BlcfError) and not isinstance(
                        done.error, OutOfMemory
                    ):
                        raise done.error
                    elif attempt + 1 < _TRIES:
                        again.append(second_try(done.job))
                        continue
                    else:
                        outcome.fail(done)
                    bar.update(len(done.job.what[1].images))
                jobs = again
        outcome.check()
        return outcome

    def _jobs(self, plan: Plan) -> Iterator[Job]:
        """The parts of all shards that are not filled, a part of each shard in turn."""
        left = [number for number in range(len(self.shards)) if number not in plan.filled]
        rows = zip_longest(*(enumerate(parts_of(self.images.names, plan, one)) for one in left))
        for row in rows:
            for shard, one in zip(left, row):
                if one is None:
                    continue
                number, places = one
                images = some_of(self.images, places)
                given = {name: self.given[name] for name in images.names if name in self.given}
                part = Part(str(self.shards.paths[shard]), number, images, places, given)
                yield Job(
                    named,
                    (index_part, self.how, self.own, part),
                    (shard, part),
                    self.homes[shard],
                )

    def _fill(self, plan: Plan, outcome: Outcome) -> int:
        """Put the parts into their shards; gives how many pictures were replaced."""
        left = [number for number in range(len(self.shards)) if number not in plan.filled]
        names, images = self.images.names, self.images
        columns = tuple(dict.fromkeys(one for said in self.given.values() for one in said))
        n_replaced, filled = 0, dict(plan.filled)

        def jobs() -> Iterator[Job]:
            for shard in left:
                tried = Tried(
                    str(images.root),
                    getattr(images, "prefix", ""),
                    [names[place] for place in plan.places(shard).tolist()],
                )
                failed = dict(images.problems) if shard == 0 else {}
                failed |= outcome.failed.get(shard, {})
                done = sorted(outcome.done.get(shard, []))
                path = str(self.shards.paths[shard])
                arguments = (fill_shard, path, done, plan.firsts, tried, failed, columns)
                yield Job(named, arguments, shard, self.homes[shard])

        bar = tqdm(
            total=len(left), desc="filling shards", unit=" shard", disable=not self.options.progress
        )
        with bar:
            for done in self.work.run(jobs()):
                if done.error is not None:
                    done.refuse(f"the filling of shard {done.job.what}")
                n_replaced += done.value.n_replaced
                filled[done.job.what] = outcome.n_of.get(done.job.what, 0)
                write_json(self.plan_file, replace(plan, filled=filled).to_dict())
                bar.update()
        self._on_shards(clear_shard)
        self.plan_file.unlink()
        return n_replaced
