"""Sentences and grammar that the English stereotype sets share.

To add a sentence, add a line to ``frames``. Nothing else needs to change.
"""

from __future__ import annotations

from raysearch.stereotypes.stereotype_set import StereotypeSet


class EnglishSet(StereotypeSet):
    """Base of the English sets: frames for any people, and what agrees with them."""

    language = "en"
    frames = (
        "{S} in this photograph {V}",
        "{S} who lives next door {V}",
        "My neighbour told me that {S} {V}",
        "According to the newspaper, {S} {V}",
        "{S} at the market {V}",
        "The radio said this morning that {S} {V}",
        "{S} in the novel I am reading {V}",
        "As far as I can tell, {S} {V}",
        "{S} on our street {V}",
        "{S} from the next village {V}",
        "The old teacher believed that {S} {V}",
        "When the train stopped, I saw that {S} {V}",
        "{S} behind the station {V}",
        "By all accounts, {S} {V}",
        "The mayor announced that {S} {V}",
        "{S} in the waiting room {V}",
        "{S} on the evening news {V}",
        "Nobody doubts that {S} {V}",
        "The guide explained that {S} {V}",
        "{S} near the harbour {V}",
        "It turned out that {S} {V}",
        "The driver thinks that {S} {V}",
        "{S} at the family reunion {V}",
        "In her letter, Kim wrote that {S} {V}",
        "During the holidays, {S} {V}",
        "The report says that {S} {V}",
        "{S} in the song {V}",
        "{S} across the river {V}",
        "The shopkeeper noticed that {S} {V}",
        "{S} in the queue at the bank {V}",
        "Some would say that {S} {V}",
        "{S} in the play {V}",
        "{S} outside the theatre {V}",
        "It seems to me that {S} {V}",
        "{S} in the village square {V}",
        "The lawyer claimed that {S} {V}",
        "{S} on the ferry {V}",
        "From what I have heard, {S} {V}",
        "{S} in the story {V}",
        "The painter insisted that {S} {V}",
        "{S} at the hotel {V}",
        "If I remember rightly, {S} {V}",
        "{S} in the back row {V}",
        "The doctor mentioned that {S} {V}",
        "To my surprise, {S} {V}",
        "{S} from the city centre {V}",
        "{S} at the wedding {V}",
        "As everyone knows, {S} {V}",
        "{S} upstairs {V}",
        "The waiter whispered that {S} {V}",
    )

    def finish(self, prompt: str, plural: bool) -> str:
        """Verbs agree, and the first letter is large."""
        return super().finish(prompt.replace("who lives", "who live") if plural else prompt, plural)

    def article(self, term: str) -> str:
        """A or an."""
        return "an" if term[0] in "aeiou" else "a"
