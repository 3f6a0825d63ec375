# SPDX-License-Identifier: MIT
"""The order of rows in an epoch of `xent train`, read out of the model that batches of one row leave.

Row i has feature i and no other, so that its visit alone moves weight[:, i], by the slope at that moment; and that
depends on the bias, which every visit moves. Hence the weights before and after an epoch tell who came when.
"""
import numpy as np

from support import Case

ROWS, WIDTH, RATE = 300, 20000, 0.1  # 24 MB: an epoch is two blocks of 16 MB, out of five pieces of 64 rows
BLOCK = (1 << 24) // (4 * WIDTH)


class Epochs(Case):
    def setUp(self):
        super().setUp()
        self.labels = np.zeros(ROWS, np.int64)
        self.labels[::50] = -1
        self.labels[20] = 1
        features = np.zeros((ROWS, WIDTH), np.float32)
        features[np.arange(ROWS), np.arange(ROWS)] = 1
        self.save("x.npy", features)
        self.save("y.npy", self.labels)

    def parameters(self, epochs, *words):
        """Weight [2, ROWS] and bias [2] after so many epochs."""
        if epochs == 0:
            return np.zeros((2, ROWS)), np.zeros(2)
        code, _, err = self.xent("train", "x.npy", "y.npy", "--model", "m.safetensors", "-q", "--ignore", -1, "--method",
                                 "sgd", "--momentum", 0, "--batch", 1, "--rate", RATE, "--epochs", epochs, *words)
        self.assertEqual((code, err), (0, ""))
        model = self.load_tensors("m.safetensors")[0]
        self.assertFalse(model["weight"][:, ROWS:].any())
        return model["weight"][:, :ROWS].astype(float), model["bias"].astype(float)

    def visits(self, epoch, *words):
        """The rows of that epoch, in order."""
        (before, bias), (after, last) = self.parameters(epoch - 1, *words), self.parameters(epoch, *words)
        moved, order = after - before, []
        to_come = np.flatnonzero(moved.any(0))
        while len(to_come) > 0:
            logits = bias[:, None] + before[:, to_come]
            slope = np.exp(logits) / np.exp(logits).sum(0) - (self.labels[to_come] == [[0], [1]])
            fault = np.abs(moved[:, to_come] + RATE * slope).max(0)
            place = fault.argmin()
            self.assertLess(fault[place], 1e-6, f"no row came once as number {len(order)}")
            bias = bias - RATE * slope[:, place]
            order.append(to_come[place])
            to_come = np.delete(to_come, place)
        self.close(bias, last, 1e-5)
        return np.array(order)

    def check_mixed(self, order, other):
        """Nearly no row comes at its place of the other order, and few near it."""
        places, others = np.argsort(order), np.argsort(other)
        self.assertLess((places == others).mean(), 0.1)
        self.assertGreater(np.abs(places - others).mean(), ROWS / 10)

    def test_every_row_once_and_every_epoch_in_its_own_order(self):
        orders = [self.visits(epoch, "--seed", 1) for epoch in (1, 2, 3)] + [self.visits(1, "--seed", 2)]
        for place, order in enumerate(orders):
            np.testing.assert_array_equal(np.sort(order), np.flatnonzero(self.labels >= 0))
            self.check_mixed(order, np.sort(order))
            for other in orders[:place]:
                self.check_mixed(order, other)
            self.assertLess((np.diff(order // 64) == 0).mean(), 0.6)  # pieces of the file are mixed within a block
        blocks = {frozenset(order[:BLOCK]) for order in orders}
        self.assertEqual(len(blocks), len(orders))  # and each epoch begins with other pieces

    def test_rows_held_out_are_never_visited(self):
        """Which they are depends on the seed alone, and is the same in every epoch."""
        visited = [set(self.visits(epoch, "--validation", 0.25)) for epoch in (1, 2)]
        self.assertEqual(visited[0], visited[1])
        rows = (self.labels == 0).sum()
        self.assertEqual(len(visited[0]), rows - int(0.25 * rows + 0.5) + 1)
        self.assertTrue(visited[0] <= set(np.flatnonzero(self.labels >= 0)))
