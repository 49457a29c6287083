"""Pictures that are no whole frontal chest film, made from films and from nothing: what a gate must know, and
no set of films shows.

All are (size, size) uint8; `random` decides everything about them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

_LETTERS = np.array(list("abcdefghijklmnoprstuvwxyz0123456789 .:/-"))

Draw = Callable[[], np.ndarray]
"""Gives another film at random, (size, size) uint8."""


def part_of(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Half of a film or a little more or less: one side, the upper or the lower part, or a corner."""
    size = film.shape[0]
    keep = int(size * random.uniform(0.36, 0.6))
    match random.integers(5):
        case 0 | 1 as side:  # a little past the spine is still one lung alone
            keep += int(size * random.uniform(0, 0.04))
            part = film[:, size - keep :] if side else film[:, :keep]
        case 2:
            part = film[: int(keep * 0.9)]
        case 3:
            part = film[size - int(keep * 0.9) :]
        case _:
            top, left = random.integers(0, size - keep, 2)
            part = film[top : top + keep, left : left + keep]
    if random.random() < 0.35:  # the rest is there, and black or white
        whole = np.full_like(film, 0 if random.random() < 0.7 else 255)
        top = int(random.integers(0, size - part.shape[0] + 1))
        left = int(random.integers(0, size - part.shape[1] + 1))
        whole[top : top + part.shape[0], left : left + part.shape[1]] = part
        return whole
    return resized(part, size)


def several(draw: Draw, random: np.random.Generator) -> np.ndarray:
    """Two to nine films in one picture, with or without a border between them, or one in a corner of
    another."""
    first = draw()
    size = first.shape[0]
    if random.random() < 0.25:
        sheet, side = np.array(first), int(size * random.uniform(0.25, 0.48))
        edge = int(random.integers(0, size // 16))
        top, left = (int(random.choice((edge, size - side - edge))) for _ in range(2))
        sheet[top : top + side, left : left + side] = resized(draw(), side)
        return sheet
    rows, columns = ((1, 2), (2, 1), (2, 2), (1, 3), (3, 3), (2, 3))[random.integers(6)]
    if random.random() < 0.5:
        rows, columns = (1, 2)
    gap = int(random.integers(0, size // 25))
    ground = int(random.choice((0, 255, 128)))
    sheet = np.full((size, size), ground, np.uint8)
    high, wide = (size - gap * (rows + 1)) // rows, (size - gap * (columns + 1)) // columns
    for row in range(rows):
        for column in range(columns):
            film = first if row == column == 0 else draw()
            top, left = gap + row * (high + gap), gap + column * (wide + gap)
            sheet[top : top + high, left : left + wide] = cv2.resize(film, (wide, high))
    return sheet


def photographed(film: np.ndarray, ground: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A film on a screen, a light box or in a hand: in perspective, before a `ground`, with a gleam."""
    size = film.shape[0]
    reach = random.uniform(0.45, 0.92)
    middle = size / 2 + random.uniform(-0.5, 0.5, 2) * size * (1 - reach)
    half = reach * size / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) * half
    corners += random.uniform(-0.16, 0.16, (4, 2)) * half
    angle = random.normal(0, 0.12)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = (corners @ turn.T + middle).astype(np.float32)
    shades, there = _in_perspective(film, corners)
    frame = int(random.integers(0, 6))
    if frame:  # the rim of a screen or of a light box
        rim = cv2.dilate(there, np.ones((2 * frame + 1, 2 * frame + 1), np.uint8))
        ground = np.where((rim > 0) & (there == 0), random.choice((5, 30, 230)), ground)
    shades = shades * random.uniform(0.6, 1.0) + random.uniform(0, 60)
    if random.random() < 0.6:
        gleam = blob(size, random, 0.08, 0.3) * random.uniform(30, 160)
        shades = shades + gleam
    if random.random() < 0.4:  # the weave of a screen
        period = random.uniform(2.2, 7)
        wave = np.sin(np.arange(size) * 2 * np.pi / period + random.uniform(0, 6))
        shades = shades + (wave[:, None] if random.random() < 0.5 else wave[None]) * random.uniform(2, 12)
    picture = np.where(there > 0, shades, ground.astype(np.float32))
    light = 1 + 0.5 * (cloud(size, random, size / 3) - 0.5)
    return np.clip(picture * light, 0, 255).astype(np.uint8)


def on_light_box(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A photograph of a film that hangs on a bright plate, straight or not, the dark room or the frame of the
    plate at some of its sides."""
    size = film.shape[0]
    room = np.clip(random.uniform(0, 110) + 40 * cloud(size, random, size / 5), 0, 255)
    plate = random.uniform(195, 255) - random.choice((0, 15, 40)) * cloud(size, random, size / 4)
    edges = (size * random.uniform(0.0, 0.14, 4) * (random.random(4) < 0.6)).astype(int)
    inside = slice(edges[0], size - edges[1]), slice(edges[2], size - edges[3])
    room[inside] = plate[inside]
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    corners *= random.uniform(0.5, 0.9, 2) * size / 2
    corners += random.uniform(-0.05, 0.05, 2) * size + size / 2
    corners += random.choice((0, 0.01, 0.04)) * random.uniform(-1, 1, (4, 2)) * size
    shades, there = _in_perspective(film, corners)
    if random.random() < 0.6:  # the plate shines through what is dark
        shades = shades * random.uniform(0.7, 0.95) + random.uniform(0, 40)
    picture = np.where(there > 0, shades, room)
    if random.random() < 0.5:
        picture = picture + blob(size, random, 0.05, 0.25) * random.uniform(30, 140)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _in_perspective(film: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The film with its corners (4, 2; x, y, clockwise from the upper left) there, float32, and 255 where it
    lies."""
    size = film.shape[0]
    own = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    matrix = cv2.getPerspectiveTransform(own, corners.astype(np.float32))
    shades = cv2.warpPerspective(film, matrix, (size, size)).astype(np.float32)
    return shades, np.asarray(cv2.warpPerspective(np.full_like(film, 255), matrix, (size, size)))


def on_screen(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A film in the window of a program, its bars and words around it; a picture of the screen itself or a
    photograph of it."""
    size = film.shape[0]
    grey = int(random.choice((0, 20, 45, 70, 128, 200, 240)))
    screen = np.full((size, size), grey, np.uint8)
    words = 30 if grey > 150 else int(random.integers(150, 256))
    box = [0, 0, size, size]  # top, left, bottom, right of what the bars leave
    for side in random.permutation(4)[: int(random.integers(1, 4))]:
        deep = int(size * random.uniform(0.05, 0.3 if side % 2 else 0.14))
        inner = deep if side < 2 else size - deep  # where the bar ends
        bar = [0, 0, size, size]
        bar[(side + 2) % 4] = box[side] = inner
        top, left, bottom, right = bar
        screen[top:bottom, left:right] = np.clip(grey + int(random.integers(-30, 60)), 0, 255)
        if random.random() < 0.7:
            write_lines(screen[top:bottom, left:right], random, words, 0.18, 0.4)
        else:
            _buttons(screen[top:bottom, left:right], random, words)
    top, left, bottom, right = box
    high, wide = bottom - top, right - left
    if random.random() < 0.7:  # the film's own ground
        screen[top:bottom, left:right] = int(random.choice((0, 0, 15)))
    rows, columns = int(high * random.uniform(0.8, 1)), int(wide * random.uniform(0.5, 1))
    y, x = top + int(random.integers(0, high - rows + 1)), left + (wide - columns) // 2
    screen[y : y + rows, x : x + columns] = cv2.resize(film, (columns, rows), interpolation=cv2.INTER_AREA)
    if random.random() < 0.4:
        write_lines(screen[top:bottom, left:right], random, 230, 0.18, 0.35, share=0.12)
    if random.random() < 0.4:  # the screen's own frame, and what is behind
        edge = int(size * random.uniform(0.02, 0.12))
        small = cv2.resize(screen, (size - 2 * edge, size - 2 * edge), interpolation=cv2.INTER_AREA)
        screen = np.full((size, size), int(random.integers(0, 220)), np.uint8)
        rim = edge // 2
        screen[rim : size - rim, rim : size - rim] = int(random.choice((8, 20, 200)))
        screen[edge : size - edge, edge : size - edge] = small
    return screen


def _buttons(bar: np.ndarray, random: np.random.Generator, tone: int) -> None:
    """A row of boxes onto `bar` (rows, columns) itself, along its longer side, filled or not."""
    long = bar if bar.shape[0] >= bar.shape[1] else bar.T
    across = long.shape[1]
    deep = max(3, int(across * random.uniform(0.3, 1.2)))
    rim, margin = int(random.choice((1, across))), across // 8
    for top in range(margin, int(long.shape[0] * random.uniform(0.3, 1)) - deep, deep + margin + 2):
        box = long[top : top + deep, margin : across - margin]
        inner = np.array(box[rim:-rim, rim:-rim])
        box[:] = tone
        box[rim:-rim, rim:-rim] = inner


def on_page(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A film printed on a sheet of paper between lines of words, large enough to be looked at."""
    size = film.shape[0]
    paper = int(random.integers(215, 256))
    page = np.full((size, size), paper, np.uint8)
    write_lines(page, random, int(random.integers(0, 90)), 0.18, 0.42)
    rows, columns = (int(size * share) for share in random.uniform((0.35, 0.5), (0.8, 0.94)))
    top = int(random.integers(int(size * 0.02), size - rows))
    left = (size - columns) // 2 if random.random() < 0.7 else int(random.integers(0, size - columns))
    margin = int(random.integers(2, 8))
    page[max(top - margin, 0) : top + rows + margin, max(left - margin, 0) : left + columns + margin] = paper
    page[top : top + rows, left : left + columns] = cv2.resize(
        film, (columns, rows), interpolation=cv2.INTER_AREA
    )
    return page


def write_lines(
    sheet: np.ndarray,
    random: np.random.Generator,
    ink: int,
    least: float,
    most: float,
    share: float = 0.85,
) -> None:
    """Lines of words onto `sheet` (rows, columns) itself, of a letter size of `least` to `most`; `share` of
    the lines are written."""
    size = random.uniform(least, most)
    step = int(random.integers(int(30 * size) + 3, int(30 * size) + 14))
    for y in range(step, sheet.shape[0], step):
        if random.random() < share:
            words = "".join(random.choice(_LETTERS, int(random.integers(4, 60))))
            left = int(random.integers(2, max(sheet.shape[1] // 5, 3)))
            line = np.ascontiguousarray(sheet)
            cv2.putText(line, words, (left, y), cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)
            sheet[:] = line


def sketch(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A drawing after a film: edges, a pencil, a few flat shades, or a painting without grain."""
    match random.integers(5):
        case 0:
            smooth = cv2.GaussianBlur(film, (0, 0), random.uniform(1.0, 2.5))
            lines = cv2.Canny(smooth, random.uniform(15, 45), random.uniform(50, 110))
            lines = cv2.dilate(lines, np.ones((int(random.integers(1, 4)),) * 2, np.uint8))
            return 255 - lines if random.random() < 0.7 else lines
        case 1:
            inverse = 255 - film
            soft = cv2.GaussianBlur(inverse, (0, 0), random.uniform(3, 9))
            return np.asarray(cv2.divide(film, 255 - soft, scale=256), np.uint8)
        case 2:
            smooth = cv2.GaussianBlur(film, (0, 0), random.uniform(2, 5))
            levels = int(random.integers(2, 5))
            return (np.floor(smooth / 256.0 * levels) * (255 / (levels - 1))).astype(np.uint8)
        case 3:
            colours = cv2.cvtColor(film, cv2.COLOR_GRAY2BGR)
            near, alike = random.uniform(20, 80), random.uniform(0.3, 0.6)
            if random.random() < 0.5:
                painted = cv2.stylization(colours, sigma_s=near, sigma_r=alike)
            else:
                painted = cv2.edgePreservingFilter(colours, flags=1, sigma_s=near, sigma_r=alike)
                lines = cv2.adaptiveThreshold(
                    cv2.medianBlur(film, 5), 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, 4
                )
                painted = cv2.bitwise_and(painted, cv2.cvtColor(lines, cv2.COLOR_GRAY2BGR))
            return np.asarray(painted[..., 0], np.uint8)
        case _:
            side = int(random.integers(3, 10)) * 2 + 1
            return np.asarray(
                cv2.adaptiveThreshold(
                    cv2.medianBlur(film, 5), 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, side, 3
                )
            )


def drawn_chest(size: int, random: np.random.Generator) -> np.ndarray:
    """A chest as somebody would draw it: outlines of body, lungs, heart and ribs."""
    dark = random.random() < 0.4
    paper = np.full((size, size), 15 if dark else 245, np.uint8)
    ink = int(random.integers(180, 256)) if dark else int(random.integers(0, 90))
    wide = int(random.integers(1, 5))
    fill = -1 if random.random() < 0.4 else wide
    middle = size / 2

    def oval(
        x: float, y: float, a: float, b: float, angle: float = 0, thick: int = wide, tone: int = ink
    ) -> None:
        axes = (max(int(a), 1), max(int(b), 1))
        cv2.ellipse(paper, (int(x), int(y)), axes, angle, 0, 360, tone, thick, cv2.LINE_AA)

    oval(
        middle,
        middle * random.uniform(1.0, 1.2),
        size * random.uniform(0.36, 0.46),
        size * random.uniform(0.38, 0.5),
    )
    for side in (-1, 1):
        x = middle + side * size * random.uniform(0.15, 0.2)
        tone = ink if fill > 0 else int(random.integers(60, 200))
        oval(
            x,
            middle,
            size * random.uniform(0.09, 0.14),
            size * random.uniform(0.22, 0.32),
            -8 * side,
            fill,
            tone,
        )
        for rib in range(int(random.integers(0, 9))):
            y = size * (0.22 + 0.07 * rib)
            axes = (int(size * 0.14), int(size * 0.05))
            cv2.ellipse(
                paper, (int(x), int(y)), axes, 12 * side, 200, 340, ink, max(wide - 1, 1), cv2.LINE_AA
            )
    if random.random() < 0.7:
        oval(middle + size * 0.05, middle * 1.15, size * 0.1, size * 0.12, 30)
    cv2.line(paper, (int(middle), int(size * 0.1)), (int(middle), int(size * 0.45)), ink, wide)
    return paper


def form_sheet(size: int, random: np.random.Generator, picture: np.ndarray | None = None) -> np.ndarray:
    """A sheet of paper or a screen full of words, rules and boxes, perhaps with a small picture on it."""
    dark = random.random() < 0.25
    sheet = np.full((size, size), 20 if dark else 250, np.uint8)
    ink = 220 if dark else int(random.integers(0, 80))
    y = int(random.integers(6, 20))
    scale = random.uniform(0.22, 0.5)
    while y < size - 6:
        if random.random() < 0.12:
            cv2.line(sheet, (6, y), (size - 6, y), ink, 1)
        elif random.random() < 0.1:
            left, high = int(random.integers(4, size // 2)), int(random.integers(10, 40))
            cv2.rectangle(sheet, (left, y), (int(random.integers(left + 8, size)), y + high), ink, 1)
        else:
            words = "".join(random.choice(_LETTERS, int(random.integers(5, 60))))
            left = int(random.integers(4, size // 3))
            cv2.putText(sheet, words, (left, y), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
        y += int(random.integers(8, 22))
    if picture is not None:
        side = int(size * random.uniform(0.2, 0.45))
        top, left = random.integers(0, size - side, 2)
        sheet[top : top + side, left : left + side] = cv2.resize(picture, (side, side))
    return sheet


def nothing(size: int, random: np.random.Generator) -> np.ndarray:
    """Noise, clouds, slopes, stripes, shapes, an even grey."""
    match random.integers(6):
        case 0:
            return random.integers(0, 256, (size, size)).astype(np.uint8)
        case 1:
            return (255 * cloud(size, random, random.uniform(2, size / 4))).astype(np.uint8)
        case 2:
            slope = np.add.outer(np.linspace(0, random.normal(), size), np.linspace(0, random.normal(), size))
            return (255 * (slope - slope.min()) / max(float(np.ptp(slope)), 1e-6)).astype(np.uint8)
        case 3:
            wave = np.sin(np.arange(size) / random.uniform(1, 20)) * 120 + 128
            stripes = np.broadcast_to(wave[:, None] if random.random() < 0.5 else wave, (size, size))
            return stripes.astype(np.uint8)
        case 4:
            paper = np.full((size, size), int(random.integers(0, 256)), np.uint8)
            for _ in range(int(random.integers(1, 9))):
                centre = tuple(int(v) for v in random.integers(0, size, 2))
                tone = int(random.integers(0, 256))
                if random.random() < 0.5:
                    cv2.circle(paper, centre, int(random.integers(5, size // 3)), tone, -1)
                else:
                    other = tuple(int(v) for v in random.integers(0, size, 2))
                    cv2.rectangle(paper, centre, other, tone, -1)
            return paper
        case _:
            even = np.full((size, size), float(random.integers(0, 256)))
            return np.clip(even + random.normal(0, random.uniform(0, 4), (size, size)), 0, 255).astype(
                np.uint8
            )


def cloud(size: int, random: np.random.Generator, blur: float) -> np.ndarray:
    """(size, size) float32 in 0..1."""
    noise = cv2.GaussianBlur(random.standard_normal((size, size)).astype(np.float32), (0, 0), max(blur, 0.5))
    low, high = float(noise.min()), float(noise.max())
    return np.asarray((noise - low) / max(high - low, 1e-6), np.float32)


def blob(size: int, random: np.random.Generator, least: float, most: float) -> np.ndarray:
    """(size, size) float32 in 0..1: one soft light."""
    y, x = np.mgrid[:size, :size]
    at = random.uniform(0, size, 2)
    wide = random.uniform(least, most) * size
    return np.asarray(np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * wide**2)), np.float32)


def resized(picture: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA))


def padded(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A film between two even bands, above and below or at its sides, as a wide screen shows it."""
    size = film.shape[0]
    kept = int(size * random.uniform(0.45, 0.9))
    start = (size - kept) // 2 if random.random() < 0.6 else int(random.integers(0, size - kept + 1))
    sheet = np.full_like(film, int(random.choice((0, 0, 0, 0, 255, 128, int(film[0, 0])))))
    if random.random() < 0.7:
        sheet[:, start : start + kept] = cv2.resize(film, (kept, size), interpolation=cv2.INTER_AREA)
    else:
        sheet[start : start + kept] = cv2.resize(film, (size, kept), interpolation=cv2.INTER_AREA)
    return sheet


def exposed(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A film as another machine would have given it: cut, framed, tilted, sharper or softer, with letters on
    it, or with its own letters and corners painted over."""
    size = film.shape[0]
    edge = random.uniform(-0.1, 0.07)
    angle, stretch = random.uniform(-7, 7), np.exp(random.uniform(-0.14, 0.14, 2))
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), angle, float(1 + 2 * edge))
    matrix[:, :2] *= stretch[:, None]
    matrix[:, 2] += random.uniform(-0.03, 0.03, 2) * size
    # Seldom white: a film on a light box looks like that.
    border = 255 if random.random() < 0.05 else 0
    film = np.asarray(cv2.warpAffine(film, matrix, (size, size), borderValue=border))
    if random.random() < 0.2:  # collimation
        for axis in (0, 1):
            band = int(random.integers(0, size // 9))
            (film if axis else film.T)[:, :band] = 255 if random.random() < 0.15 else 0
    if random.random() < 0.3:
        small = int(random.integers(56, size))
        film = resized(resized(film, small), size)
    elif random.random() < 0.3:
        soft = cv2.GaussianBlur(film, (0, 0), 1.5)
        film = np.asarray(cv2.addWeighted(film, 2.0, soft, -1.0, 0))
    shades = (film / 255.0) ** float(np.exp(random.uniform(-0.6, 0.6)))
    if random.random() < 0.4:
        shades = shades + random.normal(0, random.uniform(0, 0.04), film.shape)
    film = np.clip(255 * shades, 0, 255).astype(np.uint8)
    if random.random() < 0.35:  # what is written near the edge must tell nothing
        for _ in range(int(random.integers(1, 4))):
            high, wide = (int(v) for v in random.uniform(0.06, 0.25, 2) * size)
            top, left = (int(random.choice((0, size - side))) for side in (high, wide))
            if random.random() < 0.5:
                top, left = int(random.integers(0, size - high)), int(random.choice((0, size - wide)))
            film[top : top + high, left : left + wide] = int(random.choice((0, 0, 128, 255)))
    for _ in range(int(random.integers(0, 3))):
        words = str(random.choice(["R", "L", "AP", "PA", "PORTABLE", "12:30", "AP SUPINE", "E", "<--"]))
        place = tuple(int(v) for v in random.uniform(0.02, 0.85, 2) * size)
        tone = 255 if random.random() < 0.8 else 0
        cv2.putText(
            film, words, place, cv2.FONT_HERSHEY_SIMPLEX, random.uniform(0.3, 0.8), tone, 2, cv2.LINE_AA
        )
    return film


def with_white_lung(film: np.ndarray, lungs: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A film on which one of its `lungs` (size, size; 0 or not) is white, from below up to half its height or
    wholly: what shows the heart's side on other films does not on this one."""
    size = film.shape[0]
    rows, columns = np.nonzero(lungs)
    if not len(rows):
        return film
    middle, side = int(np.median(columns)), random.random() < 0.5
    white = (np.arange(size)[None] < middle) == side
    top, bottom = int(rows.min()), int(rows.max())
    level = top - size * 0.05 if random.random() < 0.5 else top + (bottom - top) * random.uniform(0, 0.5)
    white = white & (np.arange(size)[:, None] > level)
    # The lung as found may end where another opacity begins.
    wide = cv2.dilate((lungs > 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    inside = cv2.GaussianBlur((white & wide).astype(np.float32), (0, 0), float(random.uniform(1.5, 6)))
    tone = float(np.percentile(film, random.uniform(70, 92)))
    dense = tone * (0.85 + 0.3 * cloud(size, random, size / 10))
    share = inside * random.uniform(0.6, 1.0)
    return np.asarray(np.clip(film + share * np.maximum(dense - film, 0), 0, 255), np.uint8)


def with_leads(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A film of a patient on a ward: wires of electrodes, tubes and catheters over it, bright and thin."""
    size = film.shape[0]
    over: np.ndarray = np.zeros((size, size), np.float32)
    for _ in range(int(random.integers(1, 8))):
        # A curve through four places, from anywhere to anywhere.
        places = random.uniform(-0.1, 1.1, (4, 2)) * size
        along = np.linspace(0, 1, 40)[:, None]
        rest = 1 - along
        curve = rest**3 * places[0] + 3 * rest**2 * along * places[1]
        curve = curve + 3 * rest * along**2 * places[2] + along**3 * places[3]
        wire: np.ndarray = np.zeros((size, size), np.float32)
        line = np.round(curve * 16).astype(np.int32)
        wide = int(random.choice((1, 1, 1, 1, 2, 2, 3)))
        cv2.polylines(wire, [line], False, float(random.uniform(0.3, 1.0)), wide, cv2.LINE_AA, 4)
        if random.random() < 0.5:  # an electrode at its end
            end = tuple(int(v) for v in curve[-1 if random.random() < 0.5 else 20])
            cv2.circle(
                wire, end, int(random.integers(2, 6)), float(random.uniform(0.4, 1.0)), -1, cv2.LINE_AA
            )
        over = np.maximum(over, wire)
    if random.random() < 0.4:
        over = cv2.GaussianBlur(over, (0, 0), float(random.uniform(0.4, 1.0)))
    bright = max(float(np.percentile(film, 97)), 160.0)
    return np.asarray(np.clip(film + over * np.maximum(bright - film, 0), 0, 255), np.uint8)


def any_of(pictures: Sequence[np.ndarray], random: np.random.Generator) -> np.ndarray:
    return np.array(pictures[int(random.integers(len(pictures)))])
