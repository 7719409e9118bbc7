"""Hits that belong together as one: the best of a shot, with the time in which it was seen."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from blcf.bounds import check_bounds
from blcf.checks import check_choice, needs
from blcf.images import display_name
from blcf.records import Hit, Ranking
from blcf.searching.grouping import GROUPS, film_keys, group_rows, near_keys
from blcf.searching.pictures import InFilm, Pictures
from blcf.searching.sheet import SHEET, clock, draw_sheet

if TYPE_CHECKING:
    import pandas

    from blcf.visualization import ShownFigure

__all__ = ["Moment", "Moments", "group_hits"]


@dataclass(frozen=True, eq=False, repr=False)
class Moment:
    """Hits of one shot, of one film, or near-duplicates.

    Attributes
    ----------
    hits : the members, the best first, `Hits`
    name : of the film; of a picture that is no frame, and of near-duplicates, that of the best
    first, last : the time in which it was seen, s; None where it is of no film, or of several
    shot : the number of the shot, or None
    """

    hits: Any
    name: str
    first: float | None = None
    last: float | None = None
    shot: int | None = None

    @property
    def best(self) -> Hit:
        """The member with the highest score."""
        return self.hits[0]

    @property
    def score(self) -> float:
        """That of the best member, as TRECVID has it: the maximum over frames."""
        return self.best.score

    @property
    def box(self) -> np.ndarray | None:
        """Where it is in the best member."""
        return self.best.box

    @property
    def span(self) -> str:
        """The time in which it was seen, ``00:11.0-00:13.5``; "-" where there is none."""
        if self.first is None or self.last is None:
            return "-"
        return f"{clock(self.first)}-{clock(self.last)}"

    def __repr__(self) -> str:
        return f"{display_name(self.name)}  {self.span}  {self.score:.4f}"


class Moments(Sequence[Moment]):
    """Groups of hits, in the order of their best.

    Attributes
    ----------
    by : "shot", "video" or "near"
    hits : those that were grouped, `Hits`
    rows : of each group the rows of `hits`, ascending
    """

    def __init__(self, hits: Any, by: str, rows: Sequence[Sequence[int]], places: Sequence[InFilm]):
        self.hits, self.by, self.rows = hits, by, [list(one) for one in rows]
        self._places = places

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, position: int) -> Moment: ...

    @overload
    def __getitem__(self, position: slice) -> Moments: ...

    def __getitem__(self, position: int | slice) -> Moment | Moments:
        if isinstance(position, slice):
            return Moments(self.hits, self.by, self.rows[position], self._places)
        rows = self.rows[position]
        members, places = self.hits.take(rows), [self._places[row] for row in rows]
        name, times = self._name(rows[0]), [one.time for one in places]
        if (
            len({one.film for one in places}) > 1
            or not places[0].film
            or not all(map(math.isfinite, times))
        ):
            return Moment(members, name)
        shots = {one.shot for one in places}
        shot = shots.pop() if len(shots) == 1 and -1 not in shots else None
        return Moment(members, name, min(times), max(times), shot)

    def __iter__(self) -> Iterator[Moment]:
        return (self[position] for position in range(len(self)))

    def _name(self, row: int) -> str:
        film = self._places[row].film
        return film if film and self.by != "near" else self.hits.names[row]

    def __repr__(self) -> str:
        rows = [f"  {rank:3d}  {moment!r}" for rank, moment in enumerate(self[:10], start=1)]
        rest = [f"  ... {len(self) - 10} more"] if len(self) > 10 else []
        return "\n".join([f"{len(self)} moments of {len(self.hits)} images", *rows, *rest])

    def _repr_html_(self) -> str:
        return self.best._repr_html_()

    @property
    def best(self) -> Any:
        """The best member of each, as `Hits`: to plot, to explain."""
        return self.hits.take([rows[0] for rows in self.rows])

    def plot(self, path: str | os.PathLike[str] | None = None, n_hits: int = 9) -> ShownFigure:
        """Draw the query and the best of the first moments, see `Hits.plot`."""
        return self.best.plot(path, n_hits)

    def sheet(self, path: str | os.PathLike[str] | None = None, n_hits: int = SHEET) -> ShownFigure:
        """Draw the first moments in the order of film and time, each by its best; see `Hits.sheet`.

        A moment comes where it begins, and shows the time in which it was seen.
        """
        places, times = [], []
        for rows, moment in zip(self.rows, self):
            place = self._places[rows[0]]
            if moment.first is not None:
                place = replace(place, time=moment.first)
            places.append(place)
            times.append("" if moment.first is None else moment.span)
        return draw_sheet(self.best, places, path, n_hits, times)

    def ranking(self) -> Ranking:
        """The moments as a ranking of names that no other has, for a run file of TREC.

        A shot is called ``film.mp4@shot12``, a film as it is, other moments as their best pictures.
        """
        best, names = self.best, []
        for rows, moment in zip(self.rows, self):
            is_shot = self.by == "shot" and moment.shot is not None
            names.append(f"{moment.name}@shot{moment.shot}" if is_shot else self._name(rows[0]))
        return Ranking(names, best.scores, best.ids, best.boxes)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Plain values, one per moment: those of the best member (see `Hits.to_dicts`), and more.

        video, shot, first and last (s; None where they are not known), and the members: names,
        scores and times.
        """
        table = []
        for moment, rows, best in zip(self, self.rows, self.best.to_dicts()):
            members = [
                {
                    "name": self.hits.names[row],
                    "score": round(float(self.hits.scores[row]), 6),
                    "time": _number(self._places[row].time),
                }
                for row in rows
            ]
            film = self._places[rows[0]].film or None
            where = {"video": film, "shot": moment.shot, "first": moment.first, "last": moment.last}
            table.append({**best, **where, "members": members})
        return table

    def to_pandas(self) -> pandas.DataFrame:
        """A table with a row per moment: that of its best member, video, shot, first, last, n.

        Raises
        ------
        InvalidInput
            pandas is not installed.
        """
        with needs("pandas", "A table of moments"):
            import pandas
        table = self.best.to_pandas()
        rows = self.to_dicts()
        for column in ("video", "shot", "first", "last"):
            kind = object if column == "video" else "Int64" if column == "shot" else float
            table[column] = pandas.Series([one[column] for one in rows], dtype=kind)
        table["n"] = [len(one) for one in self.rows]
        return table


def group_hits(hits: Any, pictures: Pictures, by: str, similarity: float) -> Moments:
    """See `Hits.group`."""
    check_choice("by", by, GROUPS)
    check_bounds("similarity", similarity)
    places = pictures.in_films(hits.ids)
    if by == "near":
        vectors = pictures.vectors(hits.ids.tolist()) if len(hits) else None
        keys: Sequence[Any] = [] if vectors is None else near_keys(vectors, similarity)
    else:
        keys = film_keys(places, by)
    return Moments(hits, by, group_rows(keys), places)


def _number(time: float) -> float | None:
    return time if math.isfinite(time) else None
