"""What became of the parts of a plan: taken in, tried a second time, or failed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from blcf.distributed.jobs import Done, Job
from blcf.errors import ClusterError

__all__ = ["Outcome", "second_try"]

_LONGEST = 300  # letters of an error


@dataclass(eq=False)
class Outcome:
    """What became of parts; the `what` of their jobs is (number of the shard, `Part`).

    Attributes
    ----------
    n_new, n_before : pictures that were indexed now, and by an earlier run
    skipped : {name: reason}
    dropped : names of frames of one colour
    done : numbers of parts by their shards
    n_of : pictures in these, by their shards
    failed : {name: reason} of pictures of parts that failed, by their shards
    first_error : of these, or None
    """

    n_new: int = 0
    n_before: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    done: dict[int, list[int]] = field(default_factory=dict)
    n_of: dict[int, int] = field(default_factory=dict)
    failed: dict[int, dict[str, str]] = field(default_factory=dict)
    first_error: BaseException | None = None

    def take(self, done: Done) -> None:
        """A part that is done."""
        shard, part = done.job.what
        report = done.value
        if report.is_new:
            self.n_new += report.n_images
        else:
            self.n_before += report.n_images
        self.skipped.update(report.skipped)
        self.dropped.extend(report.dropped)
        self.done.setdefault(shard, []).append(part.number)
        self.n_of[shard] = self.n_of.get(shard, 0) + report.n_images

    def fail(self, done: Done) -> None:
        """A part that failed for good: its pictures are named, and tried by the next run."""
        shard, part = done.job.what
        error = done.error
        self.first_error = self.first_error or error
        said = f"{type(error).__name__}: {error}".splitlines()[0][:_LONGEST]
        reason = f"the part it was in failed on every worker ({said}); the next run tries again"
        self.failed.setdefault(shard, {}).update(dict.fromkeys(part.images.names, reason))

    def check(self) -> None:
        """Raise `ClusterError` where every part failed."""
        if self.first_error is not None and not any(self.done.values()):
            error = self.first_error
            raise ClusterError(
                f"Not one part could be indexed; the first: {type(error).__name__}: {error}"
            ) from error


def second_try(job: Job) -> Job:
    """The same part, whose large pictures are passed over where one killed the worker."""
    shard, part = job.what
    second = replace(part, is_second=True)
    return replace(job, arguments=(*job.arguments[:-1], second), what=(shard, second))
