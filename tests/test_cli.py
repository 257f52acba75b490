"""What a person at the terminal sees, and the exit status."""

import builtins
import datetime as dt
import io
import re
import signal
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import openpyxl
import pytest
from request_files import PERSON, people, text, write_request
from review_world import SURNAMES, answer, desk
from review_world import people as reviewed_people
from rich.console import Console

from jdl import cli, publish, release, synthetic
from jdl.faults import Fault, Unusable
from jdl.release import Refused, Summary
from jdl.workers import Failure, Limits, News

COMMANDS = (
    *("release", "run", "yearly", "prepare", "review", "check", "verify", "publish"),
    *("power", "synth", "template"),
)


@pytest.fixture(autouse=True)
def _same_handler():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def made(monkeypatch):
    """Put a stand-in in place of what makes releases; it records how it was called."""
    calls = []

    def stand_in(outcome):
        def make(*arguments, tell, **options):
            calls.append((*arguments, options))
            tell(News("harbour", "waiting", 0.0))
            tell(News("harbour", "starting"))
            tell(News("harbour", "done", 1.0))
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        for name in ("run_release", "run_request", "run_prepare"):
            monkeypatch.setattr(release, name, make)
        monkeypatch.setattr(publish, "awaited", lambda name, places: ())
        return calls

    return stand_in


def test_without_arguments_the_help_is_shown(capsys):
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^    {command} ", shown, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert re.search(rf"^examples?:\n  jdl {command}", shown, re.MULTILINE)
    assert max(map(len, shown.splitlines())) <= 90


def test_a_release_says_where_to_look(made, capsys):
    calls = made(Summary(Path("outputs/2014-03/index.html"), ("harbour: reported",)))
    assert cli.main(["release", "2014-03", "--jobs", "3"]) == 0
    out, err = capsys.readouterr()
    assert out == "harbour: reported\nDone. Look at outputs/2014-03/index.html\n"
    assert re.sub(r"\[.*?\] ", "", err) == "harbour: starting\nharbour: done\n"
    name, places, options = calls[0]
    assert (name, options) == ("2014-03", {"jobs": 3, "again": False, "limits": Limits()})
    assert (places.data, places.requests) == (Path("data"), Path("requests"))


def test_a_release_says_what_is_missing_before_it_is_published(made, monkeypatch, capsys):
    made(Summary(Path("outputs/2014-03/index.html"), ("harbour: reported",)))
    monkeypatch.setattr(publish, "awaited", lambda name, places: (f"{name}: sign it",))
    assert cli.main(["release", "2014-03"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "2014-03: sign it"


def test_the_uploads_made_with_synthetic_data_are_used_with_it(made, tmp_path):
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "log.csv").touch()
    calls = made(Summary(Path("x")))
    cli.main(["release", "2014-03", "--data", str(tmp_path)])
    cli.main(["run", "harbour", "--data", str(tmp_path), "--requests", "mine", "--replace"])
    assert calls[0][1].requests == tmp_path / "requests"
    assert calls[1][1].requests == Path("mine")
    assert calls[1][2] == {"again": True, "limits": Limits()}


def test_limits_are_those_asked_for(made):
    calls = made(Summary(Path("x")))
    cli.main(["run", "harbour", "--timeout", "90", "--memory", "6"])
    cli.main(["release", "2014-03", "--kernel", "stock"])
    assert calls[0][2]["limits"] == Limits(timeout=90, memory=6_000_000_000)
    assert calls[1][2]["limits"] == Limits(kernel="stock")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (["--memory", "9" * 22], "--memory: a notebook may ask for 2 to 1000000 GB"),
        (["--timeout", "9" * 12], "--timeout: a cell may take from 1 second to a week"),
    ],
)
def test_limits_that_the_system_cannot_count_are_refused(made, capsys, given, fault):
    calls = made(Summary(Path("x")))
    assert cli.main(["run", "harbour", *given]) == cli.UNUSABLE
    assert fault in capsys.readouterr().err
    assert calls == []


def test_a_limit_too_small_to_start_with_is_refused():
    with pytest.raises(Unusable, match="2 to 1000000 GB"):
        Limits(memory=1_900_000_000)


def test_a_failure_names_request_cell_and_log_and_gives_one(made, capsys):
    failure = Failure("harbour", "notebook x.ipynb, cell located: stopped with KeyError. Log: l")
    made(Summary(Path("x"), ("zeal: reported",), (failure,)))
    assert cli.main(["release", "2014-03"]) == 1
    out, err = capsys.readouterr()
    assert "Release 2014-03 is not published" in err
    assert "- harbour: notebook x.ipynb, cell located: stopped with KeyError. Log: l" in err
    assert "Done" not in out


def test_what_cannot_go_on_gives_one_and_says_what_to_do(made, capsys):
    made(Refused("It is finished. To make it again: --replace."))
    assert cli.main(["release", "2014-03"]) == 1
    assert capsys.readouterr().err.endswith("It is finished. To make it again: --replace.\n")


def test_unusable_input_gives_two_and_every_fault(made, capsys):
    faults = [Fault("a.csv", "no dates", "Add one", "index_date", 3), Fault("b", "bad", "Mend")]
    made(Unusable(faults))
    assert cli.main(["run", "harbour"]) == 2
    err = capsys.readouterr().err
    assert "The input cannot be used: 2 faults. Nothing has been written." in err
    assert "- a.csv, row 3, column index_date: no dates. Add one.\n- b: bad. Mend.\n" in err


def test_what_is_unforeseen_is_one_line_and_a_restricted_log(made, capsys, tmp_path):
    made(KeyError("Wilhelmina Canary"))
    (tmp_path / "outputs").mkdir()
    assert cli.main(["release", "2014-03", "--outputs", str(tmp_path / "outputs")]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("Stopped for an unforeseen reason: KeyError. Restricted log: ")
    assert "Canary" not in line
    log = Path(line.rpartition(": ")[2])
    assert "Wilhelmina Canary" in log.read_text()
    assert log.is_relative_to(tmp_path / "outputs" / ".restricted")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_what_is_unforeseen_writes_no_outputs_folder(made, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made(KeyError("Wilhelmina Canary"))
    assert cli.main(["release", "2014-03", "--outputs", str(tmp_path / "outputs")]) == 1
    log = Path(capsys.readouterr().err.splitlines()[-1].rpartition(": ")[2])
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_is_told_plainly(monkeypatch, capsys, number):
    def make(*arguments, **options):
        signal.raise_signal(number)

    monkeypatch.setattr(release, "run_release", make)
    assert cli.main(["release", "2014-03"]) == 130
    assert capsys.readouterr().err.startswith("Stopped. Nothing has been published")


def test_a_query_that_is_stopped_is_told_as_a_stop(monkeypatch, capsys):
    def make(*arguments, **options):
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr(release, "run_release", make)
    assert cli.main(["release", "2014-03"]) == 130
    assert capsys.readouterr().err.startswith("Stopped. Nothing has been published")


@pytest.mark.parametrize(
    "arguments",
    [
        ["release"],
        ["release", "2014-03", "--jobs", "0"],
        ["release", "2014-03", "--jobs", "two"],
        ["release", "2014-03", "--engine", "abacus"],
        ["synth", "--offenders", "-5"],
        ["review", "harbour", "--role", "<b>"],
        ["review", "harbour", "--sample", "0"],
        ["review", "harbour", "--sample", "5", "--second"],
        ["review", "harbour", "--status", "--audit", "a.csv"],
        ["nonsense"],
    ],
)
def test_a_wrong_command_line_gives_two(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert "usage: jdl" in capsys.readouterr().err


def test_checking_a_good_upload_finds_nothing(tmp_path, capsys):
    file = tmp_path / "people.csv"
    file.write_text(text(people(3)))
    assert cli.main(["check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: no faults.\n"


def test_checking_tells_every_fault_and_names_nobody(tmp_path, capsys):
    rows = people(3, intervention_start="21/03/2010", intervention_end="31/02/2010")
    file = tmp_path / "people.csv"
    file.write_text(text(rows))
    assert cli.main(["check", str(file), "--date-format", "DD/MM/YYYY"]) == 2
    err = capsys.readouterr().err
    assert "intervention_end" in err
    assert "date_of_birth" in err
    assert not any(str(value) in err for value in PERSON.values() if len(str(value)) > 6)


def test_an_upload_is_checked_with_its_request_and_an_id_is_found(tmp_path, capsys):
    folder = write_request(tmp_path / "harbour", upload=text(people(3)), top='odd = "key"')
    for what in (str(folder / "upload.csv"), "harbour"):
        assert cli.main(["check", what, "--requests", str(tmp_path)]) == 2
        assert "harbour/request.toml, odd" in capsys.readouterr().err


def test_an_upload_with_a_date_format_of_its_own_is_checked_alone(tmp_path, capsys):
    folder = write_request(tmp_path / "harbour", upload=text(people(3)), top="not TOML")
    assert cli.main(["check", str(folder / "upload.csv"), "--date-format", "ISO"]) == 0
    assert cli.main(["check", str(folder / "upload.csv"), "--date-format", "DD/MM/YYYY"]) == 2
    err = capsys.readouterr().err
    assert "no date of the file is written as the request declares (DD/MM/YYYY)" in err
    assert "TOML" not in err


def test_checking_a_request_holds_its_overrides_against_the_notebook(tmp_path, capsys):
    rest = '[method]\ncaliper = {value = 1, reason = "a"}\nminimum_cell = {value = 3, reason = "a"}'
    write_request(tmp_path / "harbour", upload=text(people(3)), rest=rest)
    assert cli.main(["check", "harbour", "--requests", str(tmp_path), "--data", "none"]) == 2
    err = capsys.readouterr().err
    assert "[method] caliper: a method override must name a parameter" in err
    assert "[method] minimum_cell: it must be at least 10" in err


def test_a_closed_file_is_a_fault_and_no_traceback(made, capsys):
    made(PermissionError(13, "Permission denied", "/secure/Wilhelmina/upload.csv"))
    assert cli.main(["release", "2014-03"]) == 2
    err = capsys.readouterr().err
    assert "- upload.csv: it must be open to whoever runs the command." in err
    assert "Wilhelmina" not in err


def test_a_name_that_no_letters_stand_for_can_still_be_told(tmp_path, capsys):
    folder = tmp_path / "a\udcff\x1b[2J"
    folder.mkdir()
    assert cli.main(["check", str(folder)]) == 2
    assert "a??[2J: the folder must hold" in capsys.readouterr().err


def test_checking_what_is_not_there_is_a_fault(capsys):
    assert cli.main(["check", "nowhere"]) == 2
    assert "- nowhere: there must be a file, a folder or a request" in capsys.readouterr().err


def test_synth_passes_on_what_is_asked(monkeypatch, capsys, tmp_path):
    asked = []
    monkeypatch.setattr(
        synthetic,
        "synthesise",
        lambda *arguments: asked.append(arguments[:3]) or arguments[3]("a", 1),
    )
    out = tmp_path / "made"
    assert cli.main(["synth", "--offenders", "5000", "--seed", "7", "--out", str(out)]) == 0
    assert asked == [(out, 5000, 7)]
    assert f"are in {out}." in capsys.readouterr().out


@pytest.fixture
def terminal(monkeypatch, tmp_path):
    """Return what types at a terminal in front of a desk, and that desk."""
    upload = reviewed_people()
    here = desk(tmp_path / "outputs" / ".restricted", upload)
    asked = []

    @contextmanager
    def open_desk(name, places, *, tell):
        asked.append((name, places))
        tell(News(name, "linkage"))
        yield here

    monkeypatch.setattr(release, "open_desk", open_desk)

    def type_in(*typed):
        lines = list(typed)

        def read(prompt=""):
            if not lines:
                raise EOFError
            return lines.pop(0)

        monkeypatch.setattr(builtins, "input", read)
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        return SimpleNamespace(desk=here, upload=upload, asked=asked, left=lines)

    return type_in


def test_a_review_shows_case_after_case_and_keeps_each_answer(terminal, capsys):
    at = terminal("1", "1", "n", "2", "q")
    assert cli.main(["review", "harbour", "--role", "statistician 1", "--data", "d"]) == 0
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    screens = out.split(cli._WIPE)
    assert len(screens) == 5
    assert screens[0] == ""
    assert [screen.partition(":")[0] for screen in screens[1:4]] == [
        "For review, 1 of 7", "For review, 2 of 7", "For review, 3 of 7",
    ]  # fmt: skip
    kept, status = screens[4].splitlines()[:2]
    assert kept == "2 answers are kept. `jdl run harbour` uses what is decided."
    assert status.startswith("Left for review: 7. Decided: 2, of whom found: 1.")
    assert [one.role for one in at.desk.answers] == ["statistician 1"] * 2
    name, places = at.asked[0]
    assert (name, places.data) == ("harbour", Path("d"))


def test_the_screen_is_cleared_whatever_ends_a_review(terminal, capsys, monkeypatch):
    for end in (EOFError, KeyboardInterrupt, RuntimeError):
        at = terminal("1", "1")

        def stop(prompt="", end=end, lines=at.left):
            if lines:
                return lines.pop(0)
            raise end("Zanthrop")

        monkeypatch.setattr(builtins, "input", stop)
        arguments = ["review", "harbour", "--role", "a post", "--outputs", str(at.desk.restricted)]
        assert cli.main(arguments) == (1 if end is RuntimeError else 0)
        out, err = capsys.readouterr()
        last = out.rpartition(cli._WIPE)[2]
        assert not any(name in last + err for name in SURNAMES)
        assert ("1 answer is kept." in last) == (end is not RuntimeError)


def test_a_review_asks_for_a_post_until_there_is_one(terminal, capsys):
    at = terminal("x", "<b>", "statistician 2", "t", "1", "q")
    assert cli.main(["review", "harbour"]) == 0
    assert at.desk.answers[0].role == "statistician 2"
    assert capsys.readouterr().out.count("It must be a post, 3 to 60 letters") == 2


@pytest.mark.parametrize("typed", [(), ("",), ("q",), ("x", "q")])
def test_who_names_no_post_is_shown_nobody(terminal, capsys, typed):
    terminal(*typed)
    assert cli.main(["review", "harbour"]) == 0
    out = capsys.readouterr().out
    assert "Nothing was answered.\nLeft for review: 7. Decided: 0" in out
    assert not any(name in out for name in SURNAMES)


def test_a_sample_and_a_second_answer_are_asked_for_by_name(terminal, capsys):
    at = terminal("1", "1", "1", "1")
    assert cli.main(["review", "harbour", "--role", "a post", "--sample", "2"]) == 0
    assert "Check of a link, 2 of 2" in capsys.readouterr().out
    assert {one.purpose for one in at.desk.answers} == {"sample"}
    terminal("1", "1", "1", "1")
    assert cli.main(["review", "harbour", "--role", "a post", "--second"]) == 0
    assert capsys.readouterr().out.startswith(
        "There is nothing to answer now.\nLeft for review: 7."
    )
    assert cli.main(["review", "harbour", "--role", "other post", "--second"]) == 0
    out = capsys.readouterr().out
    assert "Second answer, 2 of 2" in out
    assert "Second answers: 2. Equal to the first: 2." in out


def test_without_a_terminal_nobody_is_shown(terminal, capsys, monkeypatch):
    for stream in ("stdin", "stdout"):
        at = terminal()
        with monkeypatch.context() as patched:
            patched.setattr(f"sys.{stream}.isatty", lambda: False)
            assert cli.main(["review", "harbour", "--role", "a post"]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err == "A review shows people and needs a terminal. --status tells counts.\n"
        assert at.asked == []


def test_the_status_of_a_review_is_counts_and_needs_no_terminal(terminal, capsys, monkeypatch):
    at = terminal()
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    at.desk.keep(answer(at.upload, 1, "P1C0", listed=("P1C0",), reason="Wilhelmina"))
    assert cli.main(["review", "harbour", "--status"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Left for review: 7. Decided: 1, of whom found: 1.")
    assert not any(name in out + err for name in (*SURNAMES, "Wilhelmina", "P1C0", "Ottolin"))


def test_audit_rows_are_written_for_their_owner_with_what_was_decided(terminal, capsys, tmp_path):
    at = terminal()
    at.desk.keep(answer(at.upload, 1, "P1C0", listed=("P1C0",)))
    file = tmp_path / "audit.csv"
    assert cli.main(["review", "harbour", "--audit", str(file)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().splitlines()[:2] == ["row,decision,reviewed", "2,linked,1"]
    assert str(file) in capsys.readouterr().out


def test_audit_rows_are_never_put_where_they_could_be_published(terminal, capsys, tmp_path):
    at = terminal()
    outputs = tmp_path / "outputs"
    kept = outputs / ".restricted" / "audit.csv"
    for folder in (outputs / "2014-03" / "reports", outputs / ".work", kept.parent):
        folder.mkdir(parents=True, exist_ok=True)
    (tmp_path / "link").symlink_to(outputs / "2014-03")
    there = tmp_path / "there.csv"
    there.write_text("stays")
    for file, said in {
        outputs / "2014-03" / "reports" / "a.csv": "is in the folder of releases",
        outputs / ".work" / "a.csv": "is in the folder of releases",
        outputs / ".restricted" / ".." / "a.csv": "is in the folder of releases",
        tmp_path / "link" / "a.csv": "is in the folder of releases",
        there: "is there already and stays as it is",
        tmp_path / "nowhere" / "a.csv": "There is no folder",
    }.items():
        arguments = ["review", "harbour", "--audit", str(file), "--outputs", str(outputs)]
        assert cli.main(arguments) == 1, file
        assert said in capsys.readouterr().err
    assert at.asked == []
    assert there.read_text() == "stays"
    arguments = ["review", "harbour", "--audit", str(kept), "--outputs", str(outputs)]
    assert cli.main(arguments) == 0
    assert kept.exists()


def test_the_evidence_on_a_link_is_drawn_for_its_owner_without_a_name(terminal, capsys, tmp_path):
    terminal()
    file = tmp_path / "link.svg"
    for place in ("3", "harbour:3"):
        file.unlink(missing_ok=True)
        assert cli.main(["review", "harbour", "--waterfall", place, str(file)]) == 0
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        out = capsys.readouterr().out
        drawn = ElementTree.parse(file).getroot()
        assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
        shown = out + file.read_text()
        assert "surname, spelled nearly the same" in out
        assert not any(name in shown for name in (*SURNAMES, "Ottolin", "P1C0"))
    assert cli.main(["review", "harbour", "--waterfall", "3", str(file)]) == 1
    assert "is there already" in capsys.readouterr().err


def test_what_cannot_be_drawn_is_told(terminal, capsys, tmp_path):
    at = terminal()
    at.desk.scored.pairs = at.desk.scored.pairs.head(0)
    for place, said in {
        "3": "Nobody in the register could be the person of row 3: there is nothing to draw.",
        "99": "The upload has no row 99.",
        "quay:3": "The upload has no row quay:3.",
        "three": "The upload has no row three.",
    }.items():
        file = tmp_path / "link.svg"
        assert cli.main(["review", "harbour", "--waterfall", place, str(file)]) == 1
        assert said in capsys.readouterr().err
        assert not file.exists()
    arguments = ["review", "harbour", "--waterfall", "3", str(tmp_path / "outputs" / "a.svg")]
    (tmp_path / "outputs").mkdir(exist_ok=True)
    assert cli.main([*arguments, "--outputs", str(tmp_path / "outputs")]) == 1
    assert "is in the folder of releases" in capsys.readouterr().err


def test_a_review_that_cannot_be_says_why(monkeypatch, capsys):
    def refuse(*arguments, **options):
        raise Refused("harbour cannot be processed.")

    monkeypatch.setattr(release, "open_desk", refuse)
    assert cli.main(["review", "harbour", "--status"]) == 1
    assert capsys.readouterr().err == "harbour cannot be processed.\n"


def test_the_template_is_written_once(tmp_path, capsys):
    file = tmp_path / "blank.xlsx"
    assert cli.main(["template", str(file)]) == 0
    assert "Upload" in openpyxl.load_workbook(file).sheetnames
    before = file.read_bytes()
    assert cli.main(["template", str(file)]) == 1
    assert file.read_bytes() == before
    assert "stays as it is" in capsys.readouterr().err


def test_a_template_that_a_person_filled_passes_the_check(tmp_path, capsys):
    file = tmp_path / "filled.xlsx"
    assert cli.main(["template", str(file)]) == 0
    book = openpyxl.load_workbook(file)
    sheet = book["Upload"]
    columns = {cell.value: cell.column for cell in sheet[1]}
    for place in range(60):
        row = {
            "forename": "Ada", "surname": f"Mason{'abcdefgh'[place % 8]}",
            "date_of_birth": dt.date(1980, 1 + place % 12, 1 + place % 28),
            "gender": ("male", "female")[place % 2], "intervention_start": dt.date(2010, 5, 4),
            "participation": "completed",
        }  # fmt: skip
        for name, value in row.items():
            sheet.cell(place + 3, columns[name], value)
    book.save(file)
    capsys.readouterr()
    assert cli.main(["check", str(file)]) == 0
    assert capsys.readouterr().out.endswith("filled.xlsx: no faults.\n")


def test_on_a_terminal_it_shows_how_many_are_done_and_what_is_at_work():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with cli._Bars(console) as bars:
        for name in ("harbour", "zeal"):
            bars.tell(News(name, "waiting", 0.0))
        bars.tell(News("harbour", "linkage", 0.3))
        bars.tell(News("harbour", "done", 1.0))
        bars.tell(News("zeal", "matching", 0.5))
        bars._progress.refresh()
        shown = screen.getvalue().rpartition("all requests")[2]
    assert "1 of 2 done" in shown
    assert "zeal" in shown
    assert "matching" in shown
    assert "harbour" not in shown


def test_elsewhere_it_writes_a_line_at_the_beginning_and_end_of_each():
    out = io.StringIO()
    with cli._Lines(out) as lines:
        for news in (
            News("vintage", "names", 0.0),
            News("vintage", "model", 0.5),
            News("vintage", "done", 1.0),
            News("harbour", "waiting", 0.0),
            News("harbour", "not changed", 1.0),
        ):
            lines.tell(news)
    told = re.sub(r"\[ *\d+ s\] ", "", out.getvalue())
    assert told == "vintage: names\nvintage: done\nharbour: not changed\n"
