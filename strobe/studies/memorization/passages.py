"""The passages of a study as tokens: a trained and a novel group of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from etl.errors import StrobeError
from strobe.studies.memorization.grammar import VOCABULARY, Grammar, prose

_PROBES, _PROBE_TOKENS = 4, 64
SHORTEST = 0.75
"""The shortest passage, as a share of the longest."""
LONGEST_AT_LEAST = 12
LEAST_TOKENS = round(SHORTEST * LONGEST_AT_LEAST)
"""Of a passage that can be continued from its first third."""


@dataclass(frozen=True)
class Passages:
    """`tokens` of each passage, the first `trained` of them the trained group. `text` turns tokens into words."""

    tokens: Sequence[Sequence[int]]
    trained: int
    vocab_size: int
    text: Callable[[Sequence[int]], str]

    @property
    def longest(self) -> int:
        """Tokens of the longest passage."""
        return max(map(len, self.tokens))

    @property
    def probes(self) -> list[Sequence[int]]:
        """The beginnings of some passages of both groups, none longer than the shortest of them."""
        chosen = [*self.tokens[: self.trained][:_PROBES], *self.tokens[self.trained :][:_PROBES]]
        length = min(_PROBE_TOKENS, *map(len, chosen))
        return [passage[:length] for passage in chosen]

    @property
    def probe_shape(self) -> tuple[int, int]:
        """(sequences, positions) of `probes`."""
        probes = self.probes
        return len(probes), len(probes[0])


def words_of(count: int, longest: int, seed: int) -> list[list[str]]:
    """`count` made-up passages of 75% to 100% of `longest` words."""
    grammar, generator = Grammar(seed), np.random.default_rng([seed, 1])
    lengths = generator.integers(round(SHORTEST * longest), longest + 1, count)
    return [grammar.passage(int(length)) for length in lengths]


def require_size(count: int, longest: int) -> None:
    """Raises StrobeError for fewer than two passages, or ones too short to continue."""
    if count < 2 or longest < LONGEST_AT_LEAST:
        raise StrobeError(
            f"{count} passages of up to {longest} tokens; give at least 2, of at least {LONGEST_AT_LEAST}"
        )


def made_up(count: int, longest: int, seed: int) -> Passages:
    """Made-up passages whose tokens are words; half of them, rounded down, are the trained group.

    Raises StrobeError for fewer than two, or ones too short to continue.
    """
    require_size(count, longest)
    place = {word: token for token, word in enumerate(VOCABULARY)}
    tokens = [[place[word] for word in words] for words in words_of(count, longest, seed)]
    return Passages(tokens, count // 2, len(VOCABULARY), lambda some: prose([VOCABULARY[token] for token in some]))
