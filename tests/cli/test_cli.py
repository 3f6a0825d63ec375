#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of the command-line tool: XENT_CLI=path/to/xent python3 test_cli.py

Needs NumPy and nothing else. The tests are in the files named below; shells that are not installed are
skipped.
"""
import sys
import unittest

if __name__ == "__main__":
    suite = unittest.defaultTestLoader.loadTestsFromNames([
        "flags", "sentences", "labels", "check", "predict", "train", "files", "bench", "blocks", "manners", "terminal", "pages"])
    sys.exit(not unittest.TextTestRunner().run(suite).wasSuccessful())
