"""The people of a period by what they are split by: one statement for the numbers of cards, charts and tables."""

from dataclasses import dataclass

import pandas as pd

from dashboards.listings import Asked, Listing, ListingColumn
from echolead.metrics.people import BUCKET, DIMENSIONS, METRICS, Question, statement

BY = "by"
"""The parameter of an address that says the split of the table."""
ALL_SPLITS = (BUCKET, *DIMENSIONS)


@dataclass(frozen=True)
class Figures:
    """The answer for a period: a row for each part of it, split and key."""

    rows: pd.DataFrame

    def whole(self, part: str = "current") -> pd.Series:
        """The figures of everyone; without anyone, counts are 0 and the others unknown."""
        found = self.of("", part)
        if len(found):
            return found.iloc[0]
        return pd.Series({each.name: 0 if each.kind == "count" else None for each in METRICS})

    def of(self, split: str, part: str = "current") -> pd.DataFrame:
        """The figures by the keys of a split."""
        return self.rows[(self.rows["split"] == split) & (self.rows["part"] == part)]

    def compared(self, split: str, metric: str = "leads") -> pd.DataFrame:
        """The keys of a split with all figures, `before` and `change` of one metric; the largest change first."""
        then = self.of(split, "before").set_index("key")[metric]
        both = self.of(split).set_index("key")
        both = both.reindex(both.index.union(then.index))
        counted = [each.name for each in METRICS if each.kind == "count"]
        both[counted] = both[counted].fillna(0).astype("int64")
        both["before"] = then.reindex(both.index).fillna(0).astype("int64")
        both["change"] = both[metric] - both["before"]
        both["split"] = split
        return both.sort_values("change", key=abs, ascending=False, kind="stable").reset_index(names="key")

    def trend(self, name: str, buckets: int) -> list[float]:
        """A figure for each hour or day of the period, 0 where it is not known."""
        values = self.of(BUCKET).set_index("key")[name].astype(float).fillna(0.0)
        return [float(values.get(str(number), 0.0)) for number in range(buckets)]

    @property
    def is_empty(self) -> bool:
        """Whether nobody was there in the period."""
        return not len(self.of(""))


def figures(asked: Asked) -> Figures:
    """All figures of the address's period and filters, with every split, in one statement."""
    sql, bound = statement(Question(asked.period, asked.filters.values, ALL_SPLITS))
    return Figures(asked.query(sql, asked.tenant_id, **bound))


def split_of(asked: Asked) -> str:
    """The split that the address asks for, by campaign without a known one."""
    said = asked.first(BY)
    return said if said in DIMENSIONS else "campaign"


def _by_dimension(asked: Asked) -> pd.DataFrame:
    compared = figures(asked).compared(split_of(asked))
    return compared.sort_values(["leads", "visitors"], ascending=False, kind="stable").head(asked.rows)


PEOPLE_BY = Listing(
    "people",
    (
        ListingColumn("split", words="dimension", title="split_by", is_shown=False),
        ListingColumn("key", title="split_value", width="medium"),
        *(ListingColumn(name, "count") for name in ("visitors", "leads")),
        ListingColumn("before", "count", title="leads_before"),
        ListingColumn("conversion", "share"),
        *(ListingColumn(name, "count") for name in ("qualified", "won")),
        ListingColumn("revenue", "money"),
        ListingColumn("speed_p50", "seconds"),
    ),
    _by_dimension,
)


def _by_bucket(asked: Asked) -> pd.DataFrame:
    """A row for each hour or day of the period, those without anyone included."""
    found, period = figures(asked), asked.period
    counted = [each.name for each in METRICS if each.kind == "count"]
    keys = [str(number) for number in range(len(period.buckets))]
    parts = {
        part: found.of(BUCKET, part).set_index("key")[counted].reindex(keys).fillna(0).astype("int64")
        for part in ("current", "before")
    }
    rows = parts["current"].join(parts["before"].add_suffix("_before")).reset_index(drop=True)
    return rows.assign(begins_at=pd.to_datetime(pd.Series(period.buckets)))


PEOPLE_BY_TIME = Listing(
    "people-by-time",
    (
        ListingColumn("begins_at", "local", title="begins_at"),
        ListingColumn("visitors", "count"),
        ListingColumn("visitors_before", "count"),
        ListingColumn("leads", "count"),
        ListingColumn("leads_before", "count"),
        ListingColumn("qualified", "count"),
        ListingColumn("won", "count"),
    ),
    _by_bucket,
)
