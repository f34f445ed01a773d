#!/usr/bin/env python3
"""The hashes of the educational reader agree with the reference program.

Known answers are below, as `xxhsum` prints them. Where `xxhsum` is installed it is asked about many more lengths.
"""

import hashlib
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "format-spec"))
sys.dont_write_bytecode = True
import reader  # noqa: E402

# Length of sample(): XXH3-128, XXH64.
KNOWN = {
    0: ("99aa06d3014798d86001c324468d497f", "ef46db3751d8e999"),
    1: ("a6cd5e9392000f6ac44bdff4074eecdb", "e934a84adb052768"),
    2: ("d34bf317d1dff568dac72d23cbf01267", "095541030a355187"),
    3: ("150feba5f617888d6647634850539fa2", "d7506c288cd49551"),
    4: ("d1ccf8aaef8625b7d3e24227fed6084e", "a9af56653e86c01c"),
    8: ("60d434c02e7c0055a53ab584ca75281c", "fad7a44e6e70f81f"),
    9: ("8f373ec5b5b14226fd3715994cdbb5f1", "7cd9fe46cc57bcf2"),
    16: ("d181322182aaf0a60cec926fa88db3e7", "5bfc1c645a9b232e"),
    17: ("0b62d48d677fbb777d3fee37d1907991", "f94c2561d82c41f5"),
    31: ("08a2fb154b2994c581e3fb970a813662", "21a7fcc7b27eccf9"),
    32: ("29ee9e81cf576a197dd653b5dd08b8d7", "65f5b2281a8d1fed"),
    33: ("5b98865f59df8f7d43c557982e0ad11d", "687151ea8ee4cc79"),
    64: ("4380e7f2f1bf46fdd0a2b23d8a61c7c1", "5c8ed66331578c86"),
    65: ("b95d7b02688088dc0a0388471d70f6c0", "bae2c13ef1584d5d"),
    128: ("f2ce50e6bba34ceb34266088d526c40b", "d10f5ba1adaf406e"),
    129: ("528f857e6a52a2445d52df56564c0193", "d582ef0cb001ace9"),
    160: ("e59579251fd79583d0d9a0495b5e3ce2", "359f8243a24f99f2"),
    161: ("ec227e8df86703aa7f65c97d34d29a83", "17ac34202c54cf13"),
    240: ("561a104565f6c1bd6e03c65576ae05a3", "238cc0d4692b7806"),
    241: ("b70062d69f263df75b091583477772f7", "13800d0067e1f9db"),
    256: ("a9611b49c2cce4b901de8b22604b902a", "049617b9cc1b220e"),
    512: ("61e70ece742f87a36fc481a7b6bc3e5e", "6417cbe336b87c27"),
    1024: ("1ae8b411f33f8300b8756b20ce66095f", "dcf71f2866592896"),
    1025: ("305a5d8079ca66571ccad3e25c08280e", "a6a85738a28b24bc"),
    1088: ("d91a97ab9bbf10777dd210bc5a600b3f", "f31c24e9a609fcf4"),
    1089: ("13c8e4dc2413d13f5901a3ea89d3c748", "1fd4109d67d1f965"),
    2048: ("ef14e66eb0d62446987fd563b6d9069b", "1b529746f4898252"),
    2049: ("a58552c65a978893d4ea6e660be99d76", "046ac374318b7253"),
    65537: ("9a20a575e5f355024d7f4613b2d1df32", "eae1da0822434e70"),
    100001: ("7668022ccddec50b0116e697c27a78ba", "77a714e83324f0b7"),
}


def sample(size):
    """Bytes without a short period."""
    return bytes((i * i * 7 + i * 13 + (i >> 8)) & 0xFF for i in range(size))


class Hashes(unittest.TestCase):
    def test_known_answers(self):
        for size, (xxh3, xxh64) in KNOWN.items():
            with self.subTest(size=size):
                self.assertEqual(reader.xxh3(sample(size)).hex(), xxh3)
                self.assertEqual(f"{reader.xxh64(sample(size)):016x}", xxh64)

    def test_pieces_give_the_hash_of_the_whole(self):
        rng = random.Random(1)
        for size in (0, 1, 16, 17, 240, 241, 1024, 1025, 1088, 2048, 2049, 5000, 20000):
            data, hasher, pos = sample(size), reader.XXH3(), 0
            while pos < size:
                step = rng.choice((1, 7, 63, 64, 65, 1023, 1024, 1025, 3000))
                hasher.update(data[pos:pos + step])
                pos += step
            self.assertEqual(hasher.digest(), reader.xxh3(data), size)
            self.assertEqual(hasher.digest(), reader.xxh3(data), "a second digest of the same bytes")

    def test_blake2b_is_256_bits_without_a_key(self):
        self.assertEqual(reader.blake2b(b""), hashlib.blake2b(b"", digest_size=32).digest())
        self.assertEqual(reader.blake2b(b"abc").hex(), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")

    @unittest.skipUnless(shutil.which("xxhsum"), "xxhsum is not installed")
    def test_many_lengths_against_xxhsum(self):
        sizes = [*range(0, 300), *range(300, 1200, 37), 1023, 1024, 1025, 1087, 1088, 1089, 2047, 2048, 2049, 65536, 100001]
        data = sample(max(sizes))
        with tempfile.TemporaryDirectory() as directory:
            names = []
            for size in sizes:
                names.append(f"{directory}/{size}")
                pathlib.Path(names[-1]).write_bytes(data[:size])
            for option, function in (("-H2", lambda d: reader.xxh3(d).hex()), ("-H1", lambda d: f"{reader.xxh64(d):016x}")):
                lines = subprocess.run(["xxhsum", option, *names], capture_output=True, text=True, check=True).stdout.splitlines()
                self.assertEqual(len(lines), len(sizes))
                for size, line in zip(sizes, lines):
                    self.assertEqual(line.split()[0], function(data[:size]), f"{option} of {size} bytes")


if __name__ == "__main__":
    unittest.main()
