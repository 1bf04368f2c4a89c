"""Every attack on delivery over every transport where it has a meaning: what docs/refused.md shows, and what is run."""

from typing import Final

from support.thieves.at_the_door import AT_THE_DOOR
from support.thieves.forged_words import FORGED_WORDS
from support.thieves.partings import PARTED
from support.thieves.past_the_door import PAST_THE_DOOR

ATTACKS: Final = (*AT_THE_DOOR, *PARTED, *PAST_THE_DOOR, *FORGED_WORDS)

CELLS: Final = [(attack, transport) for attack in ATTACKS for transport in attack.over]
