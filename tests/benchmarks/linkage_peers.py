"""Link one upload with jdl or with a peer, in a process of its own that tells what it took.

`linkage_peers.py METHOD --place FOLDER OFFENDERS SEED --upload FILE --out FILE` writes the best
register person of each row and prints seconds and greatest memory. Every method begins with the
upload as it was read, the vintage opened and checked, and the names cleaned for it.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import splink.comparison_library as cl
from registers import Place, corroborate, weigh
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from jdl import linkage
from jdl.profile import peak_memory

SURE = 0.95
SEED = 1
RECORDLINKAGE = ("recordlinkage==0.16", "pandas<3", "pyarrow")
_BEST = """
    SELECT unique_id_l AS row, offender_id, match_weight AS score,
        match_probability >= {sure} AS linked
    FROM {scored} JOIN owners ON unique_id = unique_id_r
    QUALIFY row_number() OVER (PARTITION BY row ORDER BY score DESC, offender_id) = 1
    ORDER BY row"""
_BLOCKS = (
    "l.pnc_key = r.pnc_key",
    "l.prison_key = r.prison_key",
    "l.date_of_birth = r.date_of_birth",
    "l.forename = r.forename AND l.surname = r.surname",
    "l.forename = r.surname AND l.surname = r.forename",
    "l.surname = r.surname AND year(l.date_of_birth) = year(r.date_of_birth)",
    "l.root = r.root AND year(l.date_of_birth) = year(r.date_of_birth)"
    " AND month(l.date_of_birth) = month(r.date_of_birth)",
    "l.forename = r.forename AND left(l.surname, 3) = left(r.surname, 3)"
    " AND year(l.date_of_birth) = year(r.date_of_birth)",
)
_RULES = (
    "p.pnc_key = n.pnc_key",
    "p.prison_key = n.prison_key",
    "p.forename = n.forename AND p.surname = n.surname AND p.date_of_birth = n.date_of_birth",
    "p.root = n.root AND p.surname = n.surname AND p.date_of_birth = n.date_of_birth",
    "p.forename = n.surname AND p.surname = n.forename AND p.date_of_birth = n.date_of_birth",
    "left(p.forename, 1) = left(n.forename, 1) AND p.surname = n.surname"
    " AND p.date_of_birth = n.date_of_birth",
    "p.forename = n.forename AND left(p.surname, 3) = left(n.surname, 3)"
    " AND p.date_of_birth = n.date_of_birth",
    "p.forename = n.forename AND p.surname = n.surname"
    " AND year(p.date_of_birth) = year(n.date_of_birth)"
    " AND month(p.date_of_birth) = day(n.date_of_birth)"
    " AND day(p.date_of_birth) = month(n.date_of_birth)",
    "p.forename = n.forename AND p.surname = n.surname"
    " AND year(p.date_of_birth) = year(n.date_of_birth)"
    " AND month(p.date_of_birth) = month(n.date_of_birth)",
    "p.forename = n.forename AND p.surname = n.surname"
    " AND month(p.date_of_birth) = month(n.date_of_birth)"
    " AND day(p.date_of_birth) = day(n.date_of_birth)",
)


def ours(place: Place, people: pd.DataFrame, with_sentences: bool = False) -> pd.DataFrame:
    """Link as the notebook does."""
    register = place.open()
    weighed = weigh(register, people)
    if with_sentences:
        weighed = corroborate(place, register, people, weighed)
    best = weighed.scored.pairs.drop_duplicates("person")
    table = weighed.decide().table[["row", "person", "decision"]]
    rows = table.merge(best[["person", "offender_id", "posterior"]], on="person")
    rows = rows.rename(columns={"posterior": "score"})
    return rows.assign(linked=rows["decision"].eq("linked"))[
        ["row", "offender_id", "score", "linked"]
    ]


def _engine(place: Place, people: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    """Open an engine with the cleaned upload (cohort), the register's names and whose they are."""
    con = duckdb.connect(":memory:", config={"threads": 2})
    con.execute("SET enable_progress_bar = false")
    con.register("cleaned", linkage.clean(people))
    con.execute("""
        CREATE TABLE cohort AS
        SELECT row AS unique_id, forename, middle, surname, parts, root, sex, pnc_key, prison_key,
            date_of_birth::DATE AS date_of_birth
        FROM cleaned ORDER BY row""")
    con.execute(f"""
        CREATE TABLE register AS
        SELECT name_id AS unique_id, * EXCLUDE (name_id, offender_id, is_alias, aliases)
        FROM '{place.file("names")}'""")
    con.execute(f"""
        CREATE TABLE owners AS
        SELECT name_id AS unique_id, offender_id FROM '{place.file("names")}'""")
    return con


def exact_rules(place: Place, people: pd.DataFrame) -> pd.DataFrame:
    """Ten exact rules, one after the other, each of which must name one person."""
    with closing(_engine(place, people)) as con:
        found = " UNION ALL ".join(
            f"""
            SELECT p.unique_id AS row, min(offender_id) AS offender_id, {-number} AS score
            FROM cohort p JOIN register n ON {rule} JOIN owners o ON o.unique_id = n.unique_id
            GROUP BY row HAVING count(DISTINCT offender_id) = 1"""
            for number, rule in enumerate(_RULES, 1)
        )
        return con.execute(f"""
            SELECT row, offender_id, score, true AS linked FROM ({found})
            QUALIFY row_number() OVER (PARTITION BY row ORDER BY score DESC) = 1
            ORDER BY row""").df()


def splink_tutorial(place: Place, people: pd.DataFrame) -> pd.DataFrame:
    """Splink as its tutorial for two data sets does it: train on both, then predict."""
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=[
            cl.NameComparison("forename").configure(term_frequency_adjustments=True),
            cl.NameComparison("surname").configure(term_frequency_adjustments=True),
            cl.DateOfBirthComparison("date_of_birth", input_is_string=False),
            cl.ExactMatch("sex"),
            cl.ExactMatch("pnc_key"),
            cl.ExactMatch("prison_key"),
        ],
        blocking_rules_to_generate_predictions=list(_BLOCKS),
    )
    with closing(_engine(place, people)) as con:
        api = DuckDBAPI(con)
        sides = [api.register(t, dataset_display_name=t) for t in ("cohort", "register")]
        linker = Linker(sides, settings, log_level="ERROR")
        training = linker.training
        training.estimate_probability_two_random_records_match(
            [block_on("pnc_key"), block_on("forename", "surname", "date_of_birth")], recall=0.8
        )
        training.estimate_u_using_random_sampling(max_pairs=1e6, seed=SEED)
        for columns in (("date_of_birth",), ("forename", "surname")):
            training.estimate_parameters_using_expectation_maximisation(block_on(*columns))
        scored = linker.inference.predict(threshold_match_weight=-5, warning_mode="never")
        return con.execute(_BEST.format(scored=scored.physical_name, sure=SURE)).df()


def splink_saved(place: Place, people: pd.DataFrame) -> pd.DataFrame:
    """Splink's `predict_between` with the model that jdl trained."""
    model = place.model
    with closing(_engine(place, people)) as con:
        api = DuckDBAPI(con)
        sides = [api.register(t, dataset_display_name=t) for t in ("cohort", "register")]
        linker = Linker(sides, dict(model), log_level=None, validate_settings=False)
        for column in ("forename", "surname", "date_of_birth", "sex"):
            con.execute(f"""
                CREATE TABLE tf_{column} AS
                SELECT {column}, sum(people) / {place.offenders} AS tf_{column}
                FROM '{place.file(f"term_frequencies_{column}")}' GROUP BY {column}""")
            lookup = api.register(f"tf_{column}")
            linker.table_management.register_term_frequency_lookup(lookup, column)
        scored = linker.inference.predict_between(
            *sides,
            blocking_rules_to_generate_predictions=list(_BLOCKS),
            threshold_match_weight=-5,
            warning_mode="never",
        )
        return con.execute(_BEST.format(scored=scored.physical_name, sure=SURE)).df()


def recordlinkage(place: Place, people: pd.DataFrame) -> pd.DataFrame:
    """The recordlinkage toolkit, which needs an older pandas and so an environment of its own."""
    python = recordlinkage_python(place.folder)
    folder = place.folder / "exchange"
    folder.mkdir(exist_ok=True)
    cohort, best = folder / "cohort.parquet", folder / "best.parquet"
    with closing(_engine(place, people)) as con:
        con.execute(f"COPY cohort TO '{cohort}' (FORMAT parquet)")
    script = Path(__file__).with_name("recordlinkage_alone.py")
    subprocess.run([python, script, "link", cohort, place.file("names"), best], check=True)
    return pd.read_parquet(best)


def recordlinkage_python(folder: Path) -> Path:
    """The interpreter of an environment with recordlinkage, made where it is missing."""
    environment = folder / "recordlinkage"
    python = environment / "bin" / "python"
    if not environment.joinpath("ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", *RECORDLINKAGE], check=True)
        environment.joinpath("ready").touch()
    return python


METHODS: dict[str, Callable[[Place, pd.DataFrame], pd.DataFrame]] = {
    "jdl": ours,
    "jdl, with sentences": lambda place, people: ours(place, people, with_sentences=True),
    "ten exact rules": exact_rules,
    "Splink, trained at once": splink_tutorial,
    "Splink, jdl's saved model": splink_saved,
    "recordlinkage": recordlinkage,
}


@dataclass(frozen=True)
class Run:
    """What linking one upload came to.

    Parameters
    ----------
    best : DataFrame
        One row an upload row with a candidate: row, offender_id, score, linked (by the method's
        own threshold).
    seconds, cpu, start : float
        From the upload to the links, by the clock and of the processors; and to start Python with
        its imports and open the vintage, which checks it.
    peak : int
        The greatest memory of the process, in bytes.
    """

    best: pd.DataFrame
    seconds: float
    cpu: float
    start: float
    peak: int


def run(method: str, place: Place, upload: Path) -> Run:
    """Link an upload in a process of its own."""
    out = upload.with_suffix(".best")
    if method == "recordlinkage":
        recordlinkage_python(place.folder)
    command = [sys.executable, __file__, method, "--upload", str(upload), "--out", str(out)]
    command += ["--place", str(place.folder), str(place.offenders), str(place.seed)]
    started = time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    whole = time.monotonic() - started
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Run(pd.read_parquet(out), start=whole - told["seconds"], **told)


def _forget_peak() -> None:
    """Measure memory from here on, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def main() -> None:
    """Link one upload and tell what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("--place", nargs=3, required=True)
    parser.add_argument("--upload", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    place = Place(Path(asked.place[0]), *map(int, asked.place[1:]))
    place.vintage.connect().close()
    _forget_peak()
    started, used = time.monotonic(), time.process_time()
    best = METHODS[asked.method](place, pd.read_parquet(asked.upload))
    seconds = time.monotonic() - started
    best.to_parquet(asked.out)
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {
        "seconds": seconds,
        "cpu": time.process_time() - used + child.ru_utime + child.ru_stime,
        "peak": max(peak_memory("self") or 0, child.ru_maxrss * 1024),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
