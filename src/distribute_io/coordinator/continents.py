"""Which continent a country is on: the seven codes that CLDR and GeoNames use, by ISO 3166-1 alpha-2 code.

Only so coarse that far can be told from near: transcontinental countries are where most of their people live.
"""

from __future__ import annotations

from typing import Final

_COUNTRIES: Final = {
    "AF": "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML MR MU MW MZ NA "
    "NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
    "AN": "AQ BV GS HM TF",
    "AS": "AE AF AM AZ BD BH BN BT CC CN CX CY GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY "
    "NP OM PH PK PS QA SA SG SY TH TJ TL TM TR TW UZ VN YE",
    "EU": "AD AL AT AX BA BE BG BY CH CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK "
    "MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK",
    "NA": "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR SV SX TC "
    "TT US VC VG VI",
    "OC": "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS",
    "SA": "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
}
_CONTINENT_OF: Final = {country: code for code, countries in _COUNTRIES.items() for country in countries.split()}


def is_continent(code: str) -> bool:
    """Whether this is a continent's code."""
    return code in _COUNTRIES


def continent_of(country: str) -> str:
    """The continent's code, or an empty text for a code that is no country's (`EU`, `AP`, `ZZ`).

    Example:
        >>> continent_of("DE"), continent_of("ZZ")
        ('EU', '')
    """
    return _CONTINENT_OF.get(country, "")
