"""Passages of made-up prose: a small grammar whose every choice is drawn from a seed.

No sentence is used twice, so trained and novel passages have words and turns in common and no sentence.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

_WORDS: Final = {
    "A": "old young quiet bright narrow heavy patient curious lonely careful broken golden distant gentle crooked "
    "hungry silver weary clever wooden pale sudden honest muddy hollow scarlet humble restless ancient nimble",
    "N": "baker miller sailor widow farmer teacher painter doctor shepherd lantern kettle ladder basket wagon candle "
    "mirror hammer blanket window engine pigeon otter badger heron donkey spider falcon salmon rabbit beetle letter "
    "bottle garden compass button anchor violin saddle ribbon bucket",
    "P": "river harbour meadow orchard market chapel tower valley forest island village bridge cellar kitchen attic "
    "station quarry lighthouse courtyard marsh",
    "V": "carried followed painted repaired borrowed noticed guarded counted buried polished forgot measured rescued "
    "watched lifted weighed answered traded sheltered described",
    "I": "waited slept wandered sang trembled laughed rested vanished returned worked knelt whistled hurried",
    "R": "near behind beyond beside under above across toward",
    "D": "slowly often twice gladly seldom quietly alone again",
    "T": "morning winter evening autumn harvest storm summer night",
    "O": "Anna Boris Clara David Edith Felix Greta Henry Irene Jonas Karin Louis",
}
WORDS: Final = {kind: words.split() for kind, words in _WORDS.items()}
"""Adjectives, nouns, places, transitive and intransitive verbs, prepositions, adverbs, times, names."""
SENTENCES: Final = (
    "the A N V the A N R the P .",
    "O V the N and I R the A P .",
    "one T the N I D R the P .",
    "when the A N I , O V the N .",
    "the N of the A P V every A N .",
    "after the T , the A N and the N I D .",
    "O I R the P until the N V the A N .",
    "no A N ever V the N R the P .",
    "in the A P , O D V the N .",
    "the N that O V I R the A P .",
)
VOCABULARY: Final = tuple(
    sorted({
        *(word for words in WORDS.values() for word in words),
        *(word for sentence in SENTENCES for word in sentence.split() if word not in WORDS),
    })
)  # fmt: skip
"""Every word that a passage can have, and both marks."""
_SPACE: Final = re.compile(r" ([.,])")


class Grammar:
    """Makes passages, one after the other, from a seed."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._used: set[str] = set()

    def passage(self, words: int) -> list[str]:
        """So many words and marks; the last sentence may be cut off."""
        made: list[str] = []
        while len(made) < words:
            made += self._sentence().split()
        return made[:words]

    def _sentence(self) -> str:
        while True:
            shape = SENTENCES[self._generator.integers(len(SENTENCES))]
            words = [self._word(part) for part in shape.split()]
            if (sentence := " ".join(words)) not in self._used:
                self._used.add(sentence)
                return sentence

    def _word(self, part: str) -> str:
        choices = WORDS.get(part)
        return part if choices is None else choices[self._generator.integers(len(choices))]


def prose(words: list[str]) -> str:
    """Words as a person reads them."""
    return _SPACE.sub(r"\1", " ".join(words))
