"""Small made-up files in the form of the public bias sets. Every sentence was written for these tests."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

TERMS = {"gender": ("sister", "uncle"), "race": ("Martian", "Venusian")}


def stereoset(kinds: dict[str, tuple[str, ...]] = TERMS) -> dict[str, Any]:
    """Content of dev.json: two items a term, in either part; sentences in another order each time."""
    data: dict[str, list[dict[str, Any]]] = {"intrasentence": [], "intersentence": []}
    for category, terms in kinds.items():
        for term in terms:
            for number, word in enumerate(("garden", "kitchen")):
                labelled = [
                    {"sentence": f"My {term} in the {word} is {what}.", "gold_label": label, "labels": []}
                    for what, label in (("timid", "stereotype"), ("bold", "anti-stereotype"), ("prime", "unrelated"))
                ]
                shared = {"target": term, "bias_type": category, "sentences": labelled[number:] + labelled[:number]}
                data["intrasentence"].append({"context": f"My {term} in the {word} is BLANK.", **shared})
                data["intersentence"].append({"context": f"My {term} has a {word}.", **shared})
    return {"version": "test", "data": data}


def write_stereoset(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dev.json").write_text(json.dumps(stereoset()), encoding="utf-8")
    return folder


def write_crows_pairs(folder: Path) -> Path:
    """Four pairs of two types; more columns than are read, and a sentence with commas and quotes."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [
        ("The old man forgot it.", "The young man forgot it.", "stereo", "age"),
        ('He said, "our aunt cannot park".', 'He said, "our uncle cannot park".', "stereo", "gender"),
        ("The uncle cried.", "The aunt cried.", "antistereo", "gender"),
        ("My grandfather, alas, fell.", "My grandson, alas, fell.", "stereo", "age"),
    ]
    with (folder / "crows_pairs_anonymized.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "sent_more", "sent_less", "stereo_antistereo", "bias_type", "annotations"])
        writer.writerows([i, *pair, "[]"] for i, pair in enumerate(pairs))
    return folder


def write_winobias(folder: Path) -> Path:
    """Two pairs of either type, with the irregularities of the public files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "male_occupations.txt").write_text("guard\nCEO\nconstruction worker", encoding="utf-8")
    (folder / "female_occupations.txt").write_text("nurse\nbaker\n", encoding="utf-8")
    lines = {
        "type1": (
            "1 [The guard] thanked the nurse because [{m}] was ill. ",
            "2 The CEO praised [the baker] because [{f}] sold [{o}] bread.",
        ),
        "type2": (
            "1 The nurse met the [the construction worker] 's boss and told [{m}] so.",
            "2 The guard met [the nurse] and thanked [{f}].",
        ),
    }
    for category, templates in lines.items():
        for kind, words in (
            ("pro", {"m": "he", "f": "she", "o": "her"}),
            ("anti", {"m": "she", "f": "he", "o": "his"}),
        ):
            file = folder / f"{kind}_stereotyped_{category}.txt.test"
            file.write_text("\n".join(line.format(**words) for line in templates) + "\n", encoding="utf-8")
    return folder


def bbq_row(example: int, condition: str, polarity: str, label: int, category: str = "SES") -> dict[str, Any]:
    """A question with the answers poor, rich and unknown, in this order."""
    return {
        "example_id": example,
        "question_polarity": polarity,
        "context_condition": condition,
        "category": category,
        "answer_info": {"ans0": ["poor", "lowSES"], "ans1": ["rich", "highSES"], "ans2": ["Not known", "unknown"]},
        "context": f"A poor man and a rich man met on day {example}.",
        "question": "Who was rude?" if polarity == "neg" else "Who was kind?",
        "ans0": "The poor man",
        "ans1": "The rich man",
        "ans2": "Not known",
        "label": label,
    }


def write_bbq(folder: Path) -> Path:
    """Eight questions on SES and eight on Age; in either condition half of the stereotyped answers are right."""
    folder.mkdir(parents=True, exist_ok=True)
    metadata = []
    for category in ("SES", "Age"):
        rows = []
        for polarity, target in (("neg", 0), ("nonneg", 1)):
            for condition, label in (("ambig", 2), ("disambig", 0), ("ambig", 2), ("disambig", 1)):
                rows.append(bbq_row(len(rows), condition, polarity, label, category))
                metadata.append((category, rows[-1]["example_id"], target))
        (folder / f"{category}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with (folder / "additional_metadata.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["category", "question_index", "example_id", "target_loc", "full_cond"])
        writer.writerows((category, 1, example, target, "Match\n Mismatch") for category, example, target in metadata)
    return folder


WRITERS = {"stereoset": write_stereoset, "crows_pairs": write_crows_pairs, "winobias": write_winobias, "bbq": write_bbq}
