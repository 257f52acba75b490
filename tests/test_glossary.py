"""The glossary is plain, whole and about words in use; a term is marked once, in prose alone."""

import importlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from reading_age import grade, split, words_of

from jdl import glossary
from jdl.glossary import mark, meanings, terms

ROOT = Path(__file__).parent.parent
GRADE, LONGEST_SENTENCE, MOST_SENTENCES = 9, 26, 3
BUTTON = re.compile(r'<button type="button" class="term" popovertarget="([^"]+)">(.*?)</button>')


def texts():
    """All that a reader of notebooks, pages and docstrings may meet."""
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            yield "".join(cell["source"])
    for path in [*(ROOT / "templates").rglob("*.j2"), *(ROOT / "jdl").rglob("*.py")]:
        yield path.read_text()


def names(marked):
    return [term.name for term in marked.used]


def buttons(marked):
    return BUTTON.findall(marked.html)


# --- The words ------------------------------------------------------------------------------------


def test_terms_are_many_and_stand_by_name():
    held = [term.name.lower() for term in terms()]
    assert len(held) >= 60
    assert held == sorted(held)


def test_no_form_or_address_belongs_to_two_terms():
    forms = [form.lower() for term in terms() for form in term.forms]
    assert [form for form in forms if forms.count(form) > 1] == []
    assert len({term.id for term in terms()}) == len(terms())


@pytest.mark.parametrize("term", terms(), ids=lambda term: term.id)
def test_a_meaning_can_be_read_with_school_statistics(term):
    assert grade(term.means) <= GRADE
    assert len(split(term.means)) <= MOST_SENTENCES
    assert max(len(words_of(one)) for one in split(term.means)) <= LONGEST_SENTENCE
    assert term.means[0].isupper() or term.means.startswith("m is ")
    assert term.means.endswith(".")


def test_every_reference_leads_to_another_term():
    known = {term.name for term in terms()}
    assert [(t.name, see) for t in terms() for see in t.see if see not in known - {t.name}] == []


@pytest.mark.parametrize("term", [t for t in terms() if t.where], ids=lambda term: term.id)
def test_the_place_that_works_a_term_out_can_be_imported(term):
    module, _, name = term.where.rpartition(".")
    assert callable(getattr(importlib.import_module(f"jdl.{module}"), name))


def test_every_term_is_in_use():
    read = re.sub(r"[\s*_]+", " ", " ".join(texts())).lower()
    unused = [
        term.name
        for term in terms()
        if not any(re.search(rf"(?<!\w){re.escape(f.lower())}(?!\w)", read) for f in term.forms)
    ]
    assert unused == []


# --- Marking --------------------------------------------------------------------------------------


def test_the_first_use_of_a_term_becomes_a_button():
    marked = mark("<p>The Caliper is set. A caliper is a radius.</p>")
    assert marked.html == (
        '<p>The <button type="button" class="term" popovertarget="term-caliper">Caliper</button> '
        "is set. A caliper is a radius.</p>"
    )
    assert names(marked) == ["caliper"]


def test_the_longest_term_is_meant_and_whole_words_alone():
    marked = mark("<p>A match weight, then weights; weightless, low-weight.</p>")
    assert buttons(marked) == [("term-match-weight", "match weight"), ("term-weight", "weights")]
    assert buttons(mark("<p>a weightless, counter-weight &weight; calipered thing</p>")) == []


def test_a_second_use_inside_a_longer_term_is_left_whole():
    assert names(mark("<p>A match weight and a match weight.</p>")) == ["match weight"]


@pytest.mark.parametrize(
    "tag", ["code", "pre", "h2", "a", "th", "caption", "summary", "button", "mark", "label"]
)
def test_a_term_is_left_alone_in(tag):
    html = f"<div><{tag}>the <em>caliper</em></{tag}> and a <em>caliper</em></div>"
    before, _, after = mark(html).html.partition(f"</{tag}>")
    assert "term-caliper" not in before
    assert "term-caliper" in after


def test_terms_are_found_over_lines_quotes_and_references():
    marked = mark(
        "<p>By radius\n matching, Welch&#39;s test, Kish\u2019s effective size &amp; 3 &lt; 4</p>"
    )
    assert names(marked) == ["radius matching", "Welch's t test", "effective size"]
    assert marked.html.endswith(" &amp; 3 &lt; 4</p>")


def test_a_term_told_before_is_not_marked():
    marked = mark("<p>A caliper of the logit.</p>", but={"caliper"})
    assert names(marked) == ["logit"]


def test_nothing_but_buttons_is_added():
    html = (
        '<p class="x">One <b>weight</b> &mdash; and <br/><img src="a.png" alt="weight"> '
        "<!-- weight --> a p-value of 3 &lt; 4</p>\n<ul><li>logit</li></ul> seed"
    )
    marked = mark(html)
    assert names(marked) == ["weight", "p-value", "logit", "seed"]
    assert BUTTON.sub(r"\2", marked.html) == html


def test_what_stands_against_a_term_is_kept_with_it():
    button = '<button type="button" class="term" popovertarget="term-seed">seed</button>'
    for held in (f"{button},", f"<em>{button}</em>.", f"<strong>{button}</strong>;"):
        kept = f'<p>A <span class="kept">{held}</span> so</p>'
        assert glossary.keep(f"<p>A {held} so</p>") == kept
    for apart in (f"{button} so", f"<em>{button} so</em>.", f"<em>a {button}</em>."):
        assert glossary.keep(f"<p>{apart}</p>") == f"<p>{apart}</p>"


def test_marking_again_changes_nothing_that_was_marked():
    once = mark("<p>A caliper of the logit.</p>")
    assert mark(once.html, but=names(once)) == glossary.Marked(once.html, ())


def test_every_form_is_found_by_itself():
    for term in terms():
        for form in term.forms:
            assert names(mark(f"<p>It is {form}.</p>")) == [term.name], form


def test_each_marked_term_has_one_meaning_on_the_page():
    used = [*mark("<p>logit, caliper</p>").used, *mark("<p>A caliper</p>").used]
    html = meanings(used)
    assert re.findall(r'<div popover class="meaning" id="([^"]+)">', html) == [
        "term-caliper",
        "term-logit",
    ]
    for term in used:
        assert term.means in html


def test_meanings_are_whole_html():
    opened = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Reader().feed(meanings(terms()))
    assert opened == []


def test_terms_come_in_order_of_the_text():
    marked = mark("<p>seed then logit then caliper</p>")
    places = [marked.html.index(f"term-{term.id}") for term in marked.used]
    assert all(one < other for one, other in pairwise(places))
    assert names(marked) == ["seed", "logit", "caliper"]
