#!/usr/bin/env python3
"""Compares decoding and preprocessing with Pillow's, bit for bit.

    pillow_compare.py path/to/image_tool [--torchvision]

Writes real and synthetic pictures of all kinds, has image_tool decode, resize
and crop them, and compares every byte with Pillow and the geometry of
torchvision; with --torchvision with torchvision itself (but with the order of
Pillow before 13.0 for tall pictures, see takes_columns_first). Where Pillow defines no
result (16-bit grey, a colour key of 16 bits) the recipe of docs/preprocessing.md
is written out here in numpy. Exits with 1 at any difference.
"""
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
from PIL import Image, ImageOps

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "image"
SPECS = [(256, 224), (232, 224), (255, 224), (224, 224), (72, 64), (8, 8)]


class Tool:
    """A running image_tool."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def call(self, command):
        """The answered picture as an array, or the line of an error."""
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode()
        if not line.startswith("ok "):
            return line.strip() or "no answer"
        width, height = map(int, line.split()[1:])
        data = self.process.stdout.read(width * height * 3)
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def write_png(path, samples, bit_depth, colour_type, chunks=b"", palette=None):
    """A PNG as the standard describes it, for kinds Pillow cannot write."""
    def chunk(kind, body):
        return (struct.pack(">I", len(body)) + kind + body +
                struct.pack(">I", zlib.crc32(kind + body)))
    height, width = samples.shape[:2]
    rows = samples.reshape(height, -1)
    if bit_depth == 16:
        packed = [row.astype(">u2").tobytes() for row in rows]
    else:
        bits = [np.unpackbits(row.astype(np.uint8)[:, None], axis=1)
                [:, 8 - bit_depth:].reshape(-1) for row in rows]
        packed = [np.packbits(row).tobytes() for row in bits]
    data = zlib.compress(b"".join(b"\0" + row for row in packed))
    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type,
                         0, 0, 0)
    body = b"" if palette is None else chunk(b"PLTE", palette.tobytes())
    if chunks:
        body += chunk(b"tRNS", chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body +
                     chunk(b"IDAT", data) + chunk(b"IEND", b""))


def photo_like(width, height, seed):
    """Smooth areas, edges and grain."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3),
                            np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height),
                                                      Image.BICUBIC), np.int16)
    return np.clip(smooth + random.integers(-9, 10, smooth.shape), 0,
                   255).astype(np.uint8)


def upright(image):
    """What Pillow makes of a file: turned, over white, RGB."""
    image = ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def over_white(rgb, alpha):
    """The documented formula: rounded to nearest, never a tie."""
    rgb = rgb.astype(np.int64)
    alpha = alpha.astype(np.int64)[..., None]
    return ((2 * (rgb * alpha + 255 * (255 - alpha)) + 255) // 510).astype(
        np.uint8)


class Pictures:
    """Writes pictures into a folder; yields (name, path, expected RGB)."""

    def __init__(self, folder, tool):
        self.folder = pathlib.Path(folder)
        self.tool = tool
        self.found = []

    def add(self, name, path, expected=None):
        if expected is None:
            expected = upright(Image.open(path))
        self.found.append((name, path, expected))

    def save(self, name, image, extension, **options):
        path = self.folder / f"{len(self.found)}.{extension}"
        image.save(path, **options)
        self.add(f"{name} {extension} {options or ''}", path)

    def add_all(self):
        for name in ("flower.jpg", "grace_hopper.jpg"):
            self.add(name, GOLDEN / name)
            self.add_kinds(name, Image.open(GOLDEN / name))
        for seed, size in enumerate([(500, 375), (1, 1), (1, 900), (900, 1),
                                     (17, 23), (256, 256), (333, 1021),
                                     (1600, 1200)]):
            image = Image.fromarray(photo_like(*size, seed))
            self.save(f"synthetic {size}", image, "png")
            self.save(f"synthetic {size}", image, "jpg", quality=85)
        noise = np.random.default_rng(1).integers(0, 256, (300, 300, 3),
                                                  np.uint8)
        self.save("noise", Image.fromarray(noise), "png")
        black_white = (noise[..., :1] > 127).repeat(3, 2) * np.uint8(255)
        self.save("black and white", Image.fromarray(black_white), "png")
        self.add_made_jpegs()
        self.add_alpha_table()
        self.add_deep_pngs()
        self.add_turned()

    def add_kinds(self, name, image):
        for options in ({"quality": 90, "progressive": True},
                        {"quality": 30},
                        {"quality": 95, "subsampling": 0},
                        {"quality": 80, "subsampling": 1, "optimize": True}):
            self.save(name, image, "jpg", **options)
        for mode in ("L", "CMYK"):
            for progressive in (False, True):
                self.save(f"{name} {mode}", image.convert(mode), "jpg",
                          quality=88, progressive=progressive)
        ramp = Image.linear_gradient("L").resize(image.size)
        with_alpha = image.copy()
        with_alpha.putalpha(ramp)
        for mode in ("1", "L", "P", "RGB"):
            self.save(f"{name} {mode}", image.convert(mode), "png")
        self.save(f"{name} 4 colours", image.quantize(4), "png", bits=2)
        self.save(f"{name} RGBA", with_alpha, "png")
        self.save(f"{name} LA", with_alpha.convert("LA"), "png")
        self.save(f"{name} P transparent", image.convert("P"), "png",
                  transparency=bytes(range(256)))
        self.save(f"{name} L key", image.convert("L"), "png", transparency=77)
        for picture in (image, with_alpha):
            self.save(f"{name} {picture.mode}", picture, "webp", quality=75)
            self.save(f"{name} {picture.mode}", picture, "webp", lossless=True,
                      exact=True)

    def add_made_jpegs(self):
        for colour in ("ycc", "rgb", "grey", "cmyk", "ycck"):
            for options in ("0 0 0", "0 3 0", "1 0 0", "1 2 0", "0 0 1"):
                path = self.folder / f"{len(self.found)}.jpg"
                answer = self.tool.call(f"make-jpeg {colour} {options} {path}")
                assert answer == "made", answer
                self.add(f"JPEG {colour} {options}", path)

    def add_alpha_table(self):
        table = np.zeros((256, 256, 4), np.uint8)
        table[..., 0] = np.arange(256)[None]
        table[..., 1] = 255 - table[..., 0]
        table[..., 3] = np.arange(256)[:, None]
        self.save("every value at every alpha", Image.fromarray(table), "png")
        assert (over_white(table[..., :3], table[..., 3]) ==
                self.found[-1][2]).all(), "the formula is not Pillow's"

    def add_deep_pngs(self):
        random = np.random.default_rng(2)
        for colour_type, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
            samples = random.integers(0, 65536, (61, 43, channels), np.uint16)
            path = self.folder / f"{len(self.found)}.png"
            write_png(path, samples, 16, colour_type)
            high = (samples >> 8).astype(np.uint8)
            colour = high[..., :1].repeat(3, 2) if channels < 3 else high[
                ..., :3]
            expected = colour
            if channels in (2, 4):
                expected = over_white(colour, high[..., -1])
            self.add(f"PNG 16 bits, {channels} channels", path, expected)
            if channels in (2, 3, 4):  # Pillow has no result for 16-bit grey.
                assert (upright(Image.open(path)) == expected).all(), channels
        samples = random.integers(0, 65536, (31, 47, 3), np.uint16)
        samples[5, 6] = samples[0, 0] ^ [0, 0, 1]
        samples[7, 8] = samples[0, 0]
        path = self.folder / f"{len(self.found)}.png"
        write_png(path, samples, 16, 2, samples[0, 0].astype(">u2").tobytes())
        key = (samples == samples[0, 0]).all(2)
        expected = over_white((samples >> 8).astype(np.uint8),
                              np.where(key, 0, 255))
        self.add("PNG 16 bits with a colour key", path, expected)

    def add_turned(self):
        image = Image.fromarray(photo_like(90, 50, 9))
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            for extension, options in (("jpg", {"quality": 90}), ("png", {}),
                                       ("webp", {"lossless": True})):
                self.save("turned", image, extension, exif=exif.tobytes(),
                          **options)


def geometry(width, height, resize, crop):
    """torchvision's Resize(int) and CenterCrop."""
    if width <= height:
        size = (resize, int(resize * height / width))
    else:
        size = (int(resize * width / height), resize)
    return size, [int(round((side - crop) / 2.0)) for side in size]


def takes_columns_first(old, new):
    """From 13.0 on Pillow shrinks tall pictures along y first. Before, and here,
    x is first: the result is rounded to bytes in between, so they differ."""
    return (int(Image.__version__.split(".")[0]) >= 13 and
            old[1] > 2 * old[0] and new[1] < old[1])


def by_pillow(rgb, resize, crop):
    image = Image.fromarray(rgb)
    size, (left, top) = geometry(*image.size, resize, crop)
    if takes_columns_first(image.size, size):
        image = image.resize((size[0], image.size[1]), Image.BILINEAR)
    if size != image.size:
        image = image.resize(size, Image.BILINEAR)
    return np.asarray(image)[top:top + crop, left:left + crop]


def by_torchvision(rgb, resize, crop):
    from torchvision import transforms
    height, width = rgb.shape[:2]
    size, _ = geometry(width, height, resize, crop)
    if takes_columns_first((width, height), size):
        return by_pillow(rgb, resize, crop)
    return np.asarray(transforms.Compose([
        transforms.Resize(resize), transforms.CenterCrop(crop)])(
            Image.fromarray(rgb)))


def main():
    tool = Tool(sys.argv[1])
    oracle = by_torchvision if "--torchvision" in sys.argv else by_pillow
    differences = []
    counts = {"pictures": 0, "cuts": 0}

    def compare(what, got, expected):
        if isinstance(got, str):
            differences.append(f"{what}: {got}")
        elif got.shape != expected.shape or (got != expected).any():
            differences.append(f"{what}: other pixels")

    with tempfile.TemporaryDirectory() as folder:
        pictures = Pictures(folder, tool)
        pictures.add_all()
        for name, path, expected in pictures.found:
            counts["pictures"] += 1
            compare(f"decode {name}", tool.call(f"decode {path}"), expected)
            height, width = expected.shape[:2]
            for resize, crop in SPECS + [(min(width, height), 8)]:
                # Pillow would make the whole of it.
                if max(width, height) / min(width, height) * resize**2 > 2e7 or (
                        crop > resize or resize > 4096):
                    continue
                want = oracle(expected, resize, crop)
                for command in ("preprocess", "preprocess-scalar"):
                    counts["cuts"] += 1
                    compare(f"{command} {resize} {crop} {name}",
                            tool.call(f"{command} {resize} {crop} {path}"),
                            want)
    print(f"Pillow {Image.__version__}, {oracle.__name__}: "
          f"{counts['pictures']} pictures, {counts['cuts']} cuts, "
          f"{len(differences)} differences")
    print("\n".join(differences[:40]))
    return 1 if differences or counts["pictures"] < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
