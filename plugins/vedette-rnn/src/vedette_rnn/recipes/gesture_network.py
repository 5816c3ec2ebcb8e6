"""A GRU over the track of a point: the network, and the same network one step at a time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

POSITION, VELOCITY = 10.0, 50.0
"""What makes positions and steps, parts of a picture's sides, numbers of about 1."""


class GestureNetwork(nn.Module):
    """Position from where the track began and way since the step before, a GRU (Cho et al. 2014), a linear layer."""

    def __init__(self, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(4, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, classes)

    def forward(self, track: Tensor) -> Tensor:
        """``(n, t, 2)``: x, y in parts of the picture's width and height, from any origin, to logits ``(n, t,
        classes)``: of each step, knowing no later one."""
        moved = torch.cat([track[:, :1] * 0, track[:, 1:] - track[:, :-1]], dim=1)
        logits: Tensor = self.recall(track - track[:, :1], moved)[0]
        return logits

    def recall(self, position: Tensor, moved: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Positions and ways ``(n, t, 2)`` and the memory ``(1, n, hidden)`` to logits and the next memory."""
        features = torch.cat([position * POSITION, moved * VELOCITY], dim=2)
        states, hidden = self.gru(features, hidden)
        return self.head(self.dropout(states)), hidden


class WholeTrack(nn.Module):
    """The answer at the end of a track: ``(n, t, 2)`` to logits ``(n, classes)``."""

    def __init__(self, network: GestureNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, track: Tensor) -> Tensor:
        logits: Tensor = self.network(track)[:, -1]
        return logits


class TrackStep(nn.Module):
    """One point of a track, and what is remembered of those before: where it began, where it was last, whether there
    was one, and the GRU's memory. All zero before the first."""

    def __init__(self, network: GestureNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, point: Tensor, origin: Tensor, last: Tensor, begun: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """``point``, ``origin``, ``last (n, 2)``, ``begun (n, 1)`` 0 or 1, ``memory (n, hidden)`` to logits ``(n,
        classes)`` and the next of each of the four."""
        origin = origin * begun + point * (1 - begun)
        moved = (point - last) * begun
        logits, state = self.network.recall((point - origin)[:, None], moved[:, None], memory[None])
        return logits[:, 0], origin, point + 0, torch.ones_like(begun), state[0]
