# SPDX-License-Identifier: MIT
"""Line charts with logarithmic axes, as SVG."""
import math
from xml.sax.saxutils import escape

# Okabe and Ito's colours, which those who see few colours can tell apart.
COLOURS = ["#000000", "#7f7f7f", "#56b4e9", "#d55e00", "#0072b2", "#009e73"]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 330, 58, 16, 58, 46


def number(value):
    return f"{value:.1f}".rstrip("0").rstrip(".")


def ticks(low, high):
    """1, 2 and 5 of each decade, or the decades alone where they are many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(decades) <= 4 else (1,)
    return [step * 10.0 ** decade for decade in decades for step in steps if low <= step * 10.0 ** decade <= high]


def label(value):
    return f"{value:g}" if value < 1e5 else f"1e{round(math.log10(value))}"


class Panel:
    """A chart: title, names of the axes, {name: [(x, low, middle, high)]}; x_ticks, if not those of decades."""

    def __init__(self, title, x_name, y_name, series, x_ticks=None):
        self.title, self.x_name, self.y_name = title, x_name, y_name
        self.series = {name: points for name, points in series.items() if points}
        points = [point for points in self.series.values() for point in points]
        self.x_range = min(point[0] for point in points), max(point[0] for point in points)
        self.y_range = 0.8 * min(point[1] for point in points), 1.25 * max(point[3] for point in points)
        self.x_ticks = x_ticks or ticks(*self.x_range)

    def x(self, value):
        low, high = map(math.log, self.x_range)
        share = (math.log(value) - low) / (high - low) if high > low else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        low, high = map(math.log, self.y_range)
        return HEIGHT - BOTTOM - (math.log(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def frame(self):
        for value in self.x_ticks:
            at = number(self.x(value))
            yield f'<path class="grid" d="M{at} {TOP}V{HEIGHT - BOTTOM}"/>'
            yield f'<text x="{at}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{label(value)}</text>'
        for value in ticks(*self.y_range):
            at = number(self.y(value))
            yield f'<path class="grid" d="M{LEFT} {at}H{WIDTH - RIGHT}"/>'
            yield f'<text x="{LEFT - 6}" y="{at}" dy="4" text-anchor="end">{value:g}</text>'
        middle = number((TOP + HEIGHT - BOTTOM) / 2)
        yield f'<text class="title" x="{LEFT}" y="16">{escape(self.title)}</text>'
        yield (f'<text x="{number((LEFT + WIDTH - RIGHT) / 2)}" y="{HEIGHT - 10}" text-anchor="middle">'
               f"{escape(self.x_name)}</text>")
        yield f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(self.y_name)}</text>'

    def legend(self):
        for i, name in enumerate(self.series):
            x, y = LEFT + i % 3 * 126, 32 + i // 3 * 15
            yield f'<path stroke="{COLOURS[i]}" d="M{x} {y}h18"/><text x="{x + 23}" y="{y + 4}">{escape(name)}</text>'

    def lines(self):
        for colour, points in zip(COLOURS, self.series.values()):
            upper = [f"{number(self.x(x))} {number(self.y(high))}" for x, _, _, high in points]
            lower = [f"{number(self.x(x))} {number(self.y(low))}" for x, low, _, _ in reversed(points)]
            middle = [f"{number(self.x(x))} {number(self.y(value))}" for x, _, value, _ in points]
            yield f'<path style="fill:{colour}" class="band" d="M{"L".join(upper + lower)}Z"/>'
            yield f'<path stroke="{colour}" d="M{"L".join(middle)}"/>'


def draw(path, panels):
    """Writes panels side by side."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(panels)} {HEIGHT}" '
        f'width="{WIDTH * len(panels)}" height="{HEIGHT}" font-family="sans-serif" font-size="11">',
        "<style>path{fill:none;stroke-width:1.8;stroke-linejoin:round}.grid{stroke:#ddd;stroke-width:1}"
        ".band{fill-opacity:.18}.title{font-size:13px;font-weight:bold}</style>",
        f'<rect width="{WIDTH * len(panels)}" height="{HEIGHT}" fill="#fff"/>']
    for i, panel in enumerate(panels):
        parts.append(f'<g transform="translate({i * WIDTH} 0)">')
        parts += [*panel.frame(), *panel.legend(), *panel.lines(), "</g>"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts) + "\n</svg>\n")
