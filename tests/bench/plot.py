# SPDX-License-Identifier: GPL-2.0-or-later
#
# Draws pairs of bars as SVG: each measure without Hyper-V (the full width)
# and with it (its part of that).

from html import escape

WIDTH, BAR, GAP, LEFT, RIGHT, HEAD = 760, 14, 18, 250, 90, 40
GREY, BLUE = '#b0b0b0', '#2a6fbb'


def text(x, y, s, anchor='start'):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">' \
           f'{escape(s)}</text>'


def rect(x, y, w, colour):
    return f'<rect x="{x:.0f}" y="{y:.0f}" width="{max(w, 1):.1f}" ' \
           f'height="{BAR}" fill="{colour}"/>'


def bars(rows):
    """rows: (name, without, with, text of without, text of with)."""
    room = WIDTH - LEFT - RIGHT
    out, y = [], HEAD
    out += [rect(LEFT, 12, BAR, GREY), text(LEFT + 20, 23, 'without'),
            rect(LEFT + 100, 12, BAR, BLUE),
            text(LEFT + 120, 23, 'with Hyper-V')]
    for name, a, b, ta, tb in rows:
        most = max(a, b) or 1
        out.append(text(LEFT - 10, y + BAR + 5, name, 'end'))
        for value, label, colour in (a, ta, GREY), (b, tb, BLUE):
            w = room * value / most
            out += [rect(LEFT, y, w, colour),
                    text(LEFT + w + 6, y + BAR - 3, label)]
            y += BAR
        y += GAP
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{y}" font-family="sans-serif" font-size="12">\n'
            f'<rect width="{WIDTH}" height="{y}" fill="white"/>\n' +
            '\n'.join(out) + '\n</svg>\n')
