#!/usr/bin/env python3
"""Draws the text of a terminal, with its colours, as an SVG.

    tmux new-session -d -x 120 -y 40 -s demo 'build/laminar demo'
    tmux capture-pane -e -p -t demo | docs/images/ansi_to_svg.py 120 40 > docs/images/demo.svg
"""
import re
import sys
from xml.sax.saxutils import escape

COLUMNS, ROWS = int(sys.argv[1]), int(sys.argv[2])
CELL, LINE, MARGIN = 8.4, 16, 16
COLORS = ["#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d8dee9"]
BACKGROUND, FOREGROUND, BOLD = "#1e222a", "#c8ccd4", "#ffffff"


def runs(line, state):
    """(column, text, style) of each stretch of equal style; `state` goes on into the next line."""
    column = 0
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b["):
            for code in [int(c or 0) for c in part[2:-1].split(";")]:
                if code == 0:
                    state.update(color=None, bold=False, dim=False)
                elif code == 1:
                    state["bold"] = True
                elif code == 2:
                    state["dim"] = True
                elif code == 22:
                    state.update(bold=False, dim=False)
                elif code == 39:
                    state["color"] = None
                elif 30 <= code <= 37:
                    state["color"] = COLORS[code - 30]
                elif 90 <= code <= 97:
                    state["color"] = COLORS[code - 90]
        elif part:
            yield column, part, dict(state)
            column += len(part)


width, height = COLUMNS * CELL + 2 * MARGIN, ROWS * LINE + 2 * MARGIN
out = [
    f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}">',
    f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
    '<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">',
]
style = dict(color=None, bold=False, dim=False)
for row, line in enumerate(sys.stdin.read().split("\n")[:ROWS]):
    for column, text, look in runs(line, style):
        # Blanks are left out, so each word stands exactly in its cells whatever font the reader has.
        for word in re.finditer(r"\S+(?: \S+)*", text):
            fill = look["color"] or (BOLD if look["bold"] else FOREGROUND)
            x, y = MARGIN + (column + word.start()) * CELL, MARGIN + row * LINE + 13
            extra = ' font-weight="bold"' if look["bold"] else ""
            extra += ' opacity="0.6"' if look["dim"] else ""
            length = len(word.group()) * CELL
            out.append(f'<text x="{x:g}" y="{y:g}" fill="{fill}" textLength="{length:g}" '
                       f'lengthAdjust="spacingAndGlyphs"{extra}>{escape(word.group())}</text>')
out += ["</g>", "</svg>"]
print("\n".join(out))
