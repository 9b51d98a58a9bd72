"""Makes the small CSV files under experiments/data: `python3 scripts/make_example_data.py`.

Everything in them is made up; the same lines come out on every machine.
"""

import csv
import math
import pathlib
import random

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "experiments" / "data"


def write(name, header, rows):
    with open(FOLDER / name, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


# Short reviews. A negation turns the judgement round and "but" makes the second half count, so the order of
# the words matters and a bag of words does not do.
GOOD = "wonderful moving clever charming funny gripping honest fresh elegant delightful".split()
BAD = "dull clumsy noisy boring shallow tired lifeless confusing predictable awkward".split()
THINGS = "story cast music script ending camera dialogue pace humour idea".split()
FRAMES = [
    "the {thing} is {what}",
    "what a {what} {thing}",
    "i found the {thing} {what}",
    "its {thing} feels {what}",
    "a film with a {what} {thing}",
]
NEGATED = [
    "the {thing} is not {what}",
    "i never found the {thing} {what}",
    "nobody would call the {thing} {what}",
    "its {thing} is hardly {what}",
]
ASIDES = ["", "", "", " on the whole", " from start to end", " for its length", ", to say it plainly", " again and again"]


def clause(draw, positive):
    """A judgement of one thing."""
    if draw.random() < 0.4:
        frame, words = draw.choice(NEGATED), BAD if positive else GOOD
    else:
        frame, words = draw.choice(FRAMES), GOOD if positive else BAD
    return frame.format(thing=draw.choice(THINGS), what=draw.choice(words)) + draw.choice(ASIDES)


def review(draw, positive):
    kind = draw.random()
    if kind < 0.4:
        text = clause(draw, positive)
    elif kind < 0.7:
        text = clause(draw, not positive) + " , but " + clause(draw, positive)
    else:
        text = clause(draw, positive) + " and " + clause(draw, positive)
    return text + draw.choice([" .", " .", " !", ""])


def reviews(count=1200):
    draw = random.Random(1)
    labels = [row % 2 == 0 for row in range(count)]
    draw.shuffle(labels)
    return [[review(draw, positive), "positive" if positive else "negative"] for positive in labels]


# Apples of three varieties: four measurements, two categories, some of them not taken.
VARIETIES = {
    #            grams  mm    sugar acid  regions                      red, yellow, green
    "alma": ((165, 18), (72, 4), (12.5, 1.0), (6.0, 0.8), ("north", "north", "lake"), (6, 3, 1)),
    "boskop": ((205, 24), (79, 5), (11.8, 0.9), (9.2, 1.0), ("hills", "lake", "north"), (2, 5, 3)),
    "cora": ((172, 16), (71, 4), (13.9, 1.1), (5.2, 0.7), ("hills", "south", "south"), (7, 2, 1)),
}


def apples(count=600):
    draw = random.Random(2)
    rows = []
    for _ in range(count):
        variety = draw.choice(list(VARIETIES))
        weight, diameter, sugar, acid, regions, colours = VARIETIES[variety]
        size = draw.gauss(0, 1)
        measured = [
            round(weight[0] + weight[1] * size, 1),
            round(diameter[0] + diameter[1] * (0.8 * size + 0.6 * draw.gauss(0, 1)), 1),
            round(draw.gauss(*sugar), 2),
            round(draw.gauss(*acid), 2),
        ]
        region = draw.choice(regions)
        colour = draw.choices(("red", "yellow", "green"), colours)[0]
        row = [*measured, region, colour]
        row = ["" if draw.random() < 0.03 else value for value in row]
        rows.append([*row, variety])
    return rows


# Bicycles hired on a day.
DAYS = "mon tue wed thu fri sat sun".split()
SKIES = {"clear": 1.15, "cloudy": 1.0, "rain": 0.6}


def rentals(count=730):
    draw = random.Random(3)
    rows = []
    for day in range(count):
        season = (day % 365) / 365
        temperature = 11 - 11 * math.cos(2 * math.pi * (season - 0.03)) + draw.gauss(0, 3.5)
        wind = max(0.0, draw.gauss(14, 6))
        humidity = min(100, max(25, draw.gauss(68, 13)))
        sky = draw.choices(list(SKIES), (5, 4, 3))[0]
        weekday = DAYS[day % 7]
        holiday = "yes" if draw.random() < 0.03 else "no"
        comfort = 1 - ((temperature - 22) / 26) ** 2
        demand = 240 + 900 * max(0.0, comfort) * SKIES[sky] - 6 * max(0.0, wind - 15) - 1.5 * (humidity - 60)
        demand *= 0.8 if weekday in ("sat", "sun") or holiday == "yes" else 1.0
        hired = max(5, round(demand + draw.gauss(0, 35)))
        rows.append(
            [
                round(temperature, 1),
                round(wind, 1),
                "" if draw.random() < 0.02 else round(humidity),
                sky,
                weekday,
                holiday,
                hired,
            ]
        )
    return rows


write("reviews.csv", ["text", "label"], reviews())
write(
    "apples.csv",
    ["weight_g", "diameter_mm", "sugar_brix", "acid_g_per_l", "region", "colour", "variety"],
    apples(),
)
write(
    "rentals.csv",
    ["temperature_c", "wind_km_per_h", "humidity_percent", "sky", "weekday", "holiday", "hired"],
    rentals(),
)
