#!/usr/bin/env python3
"""The tool of weather.yaml: reads {"place": ..., "days": ...} from stdin, prints a line a day."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

# OPEN_METEO stands for both hosts of the service.
OTHER = os.environ.get("OPEN_METEO")
FIND = (OTHER or "https://geocoding-api.open-meteo.com") + "/v1/search"
FORECAST = (OTHER or "https://api.open-meteo.com") + "/v1/forecast"
DAILY = ("temperature_2m_min", "temperature_2m_max", "precipitation_sum")


def fetch(address: str, **query: object) -> dict:
    """The JSON object at this address."""
    with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(query)}", timeout=10) as response:
        return json.load(response)


def main() -> None:
    """Print the forecast, or say on stderr why there is none; the exit code tells the model that it failed."""
    arguments = json.load(sys.stdin)
    try:
        found = fetch(FIND, name=arguments["place"], count=1).get("results")
        if not found:
            sys.exit(f"no place is called {arguments['place']!r}")
        place = found[0]
        where = {"latitude": place["latitude"], "longitude": place["longitude"], "timezone": "auto"}
        days = arguments.get("days", 3)
        daily = fetch(FORECAST, **where, daily=",".join(DAILY), forecast_days=days)["daily"]
    except (urllib.error.URLError, TimeoutError) as error:
        sys.exit(f"the weather service cannot be reached: {error}")
    print(f"{place['name']}, {place.get('country', '')}")
    for day, low, high, rain in zip(daily["time"], *(daily[name] for name in DAILY), strict=True):
        print(f"{day}: {low} to {high} °C, {rain} mm")


main()
