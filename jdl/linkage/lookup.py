"""Look names up by key: the rows of the register that share a blocking key with somebody."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jdl.linkage.names import PERSON
from jdl.linkage.register import Register

NAME_COLUMNS = ("name_id", *PERSON, "offender_id", "is_alias", "aliases")


def look_up(register: Register, ours: Mapping[str, pa.Table]) -> tuple[pa.Table, pa.Table]:
    """Find the names that share a key with somebody.

    Parameters
    ----------
    register : Register
    ours : dict of str to pyarrow.Table
        Table of keys -> key and person of the upload.

    Returns
    -------
    pyarrow.Table
        Pairs: person and name_id, each pair once, in this order.
    pyarrow.Table
        The names in them, by name_id.
    """
    met = [_met(register, table, keys) for table, keys in ours.items()]
    both = np.unique(np.concatenate(met))
    person, name_id = (both >> 32).astype("<i4"), (both & 0xFFFFFFFF).astype("<i4")
    names = register.engine.take("names", "name_id", pa.array(np.unique(name_id)))
    pairs = pa.table({"person": person, "name_id": name_id})
    return pairs, names.select(NAME_COLUMNS).sort_by("name_id")


def _met(register: Register, table: str, ours: pa.Table) -> npt.NDArray[np.int64]:
    """Pairs as one number each: person in the upper half, name_id in the lower."""
    keys = pc.unique(ours["key"])
    theirs = register.engine.take(table, "key", keys)
    met = ours.join(theirs, "key", join_type="inner", use_threads=False)
    person, name_id = (met[column].to_numpy().astype("<i8") for column in ("person", "name_id"))
    return np.asarray((person << 32) | name_id)
