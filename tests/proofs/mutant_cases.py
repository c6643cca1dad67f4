"""The test of the tier of mutants; `python -m tests.proofs mutants` runs it with its mutants."""

import pytest

from tests.proofs.mutants import Fate
from tests.proofs.mutation import Mutant


def test_mutant_is_noticed(mutant: Mutant, fate: Fate) -> None:
    if fate in {Fate.SURVIVED, Fate.UNREACHED}:
        pytest.fail(f"{fate}: {mutant.path}:{mutant.line} {mutant.what}\n-{mutant.before}\n+{mutant.after}", pytrace=False)
