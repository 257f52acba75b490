"""How hard a text is to read: the school grade of Flesch and Kincaid."""

import re

import pyphen

HYPHENS = pyphen.Pyphen(lang="en_GB")


def syllables(word):
    """The higher of two counts: groups of vowels, and places to hyphenate."""
    lower = re.sub(r"^re(?=[aeiou])", "re-", word.lower())
    vowels = len(re.findall(r"[aeiouy]+", lower))
    silent = lower.endswith("e") and not lower.endswith("le") and vowels > 1
    return max(vowels - silent, HYPHENS.inserted(word).count("-") + 1, 1)


def words_of(sentence):
    return re.findall(r"[\w'-]+", sentence)


def split(text):
    """The sentences; one that is quoted is none with the words before it."""
    return [one for one in re.split(r"(?<=[.?])”?\s+|(?<=:) (?=“[A-Z])", text) if one]


def grade(text):
    """Flesch and Kincaid's school grade."""
    said = [words_of(sentence) for sentence in split(text)]
    words = [word for sentence in said for word in sentence]
    return 0.39 * len(words) / len(said) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59
