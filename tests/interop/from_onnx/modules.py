"""PyTorch modules whose exports become nets, with inputs for each: together they use what exporters write."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402


class Gated(nn.Module):
    """Convolution, BatchNorm, and channels weighed by a squeezed image."""

    shape = (2, 3, 8, 7)

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.few, self.many, self.out = nn.Linear(8, 4), nn.Linear(4, 8), nn.Linear(8, 5)

    def forward(self, x):
        x = F.hardswish(self.norm(self.conv(x)))
        gate = torch.sigmoid(self.many(F.relu(self.few(x.mean((2, 3))))))
        return self.out(F.adaptive_avg_pool2d(x * gate[:, :, None, None], 1).flatten(1))


class Residual(nn.Module):
    """Two ways that meet, pooled, and rows of the batch's own number."""

    shape = (2, 3, 16, 12)

    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.b, self.way = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(3, 8, 1, 2)
        self.pool, self.out = nn.MaxPool2d(3, 2, 1), nn.Linear(8 * 4 * 3, 7)

    def forward(self, x):
        y = self.b(F.relu(self.norm(self.a(x)))) + self.way(x)
        y = self.pool(F.leaky_relu(y, 0.1))
        return F.log_softmax(self.out(y.view(y.size(0), -1)), 1)


class Wide(nn.Module):
    """Down and up again, with norms of groups and instances."""

    shape = (2, 3, 8, 6)

    def __init__(self):
        super().__init__()
        self.a, self.group = nn.Conv2d(3, 6, 3, padding=1), nn.GroupNorm(2, 6)
        self.up, self.each = nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1), nn.InstanceNorm2d(4, affine=True)
        self.out = nn.Conv2d(10, 2, 1)

    def forward(self, x):
        a = F.gelu(self.group(self.a(x)))
        low = F.avg_pool2d(a, 3, 2, 1, count_include_pad=False)
        up = self.each(self.up(low))
        large = F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
        return self.out(torch.cat([up, a], 1)), large


class Recurrent(nn.Module):
    """A stack of LSTMs of both directions, and a GRU; the batch is axis 1."""

    shape, batch_axis = (4, 3, 5), 1

    def __init__(self):
        super().__init__()
        self.lstm, self.gru = nn.LSTM(5, 6, num_layers=2, bidirectional=True), nn.GRU(12, 4)
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        y, last = self.gru(self.lstm(x)[0])
        return self.out(y), last[-1]


class Rows(nn.Module):
    """LayerNorm, a gated branch, learned constants, sums along axes."""

    shape = (2, 4, 6)

    def __init__(self):
        super().__init__()
        self.norm, self.a, self.b = nn.LayerNorm(6), nn.Linear(6, 9), nn.Linear(9, 6, bias=False)
        self.place, self.factor = nn.Parameter(torch.randn(1, 4, 6)), nn.Parameter(torch.randn(6))

    def forward(self, x):
        x = x + self.place
        x = x + self.factor * self.b(F.silu(self.a(self.norm(x))))
        return x.mean(1), F.normalize(x, dim=-1), x.transpose(1, 2).softmax(-1)


class Words(nn.Module):
    """Rows of a table, convolved along time."""

    shape = None

    def __init__(self):
        super().__init__()
        self.table, self.conv, self.out = nn.Embedding(11, 6), nn.Conv1d(6, 5, 3, padding=1), nn.Linear(5, 2)

    def forward(self, x):
        return self.out(F.elu(self.conv(self.table(x).transpose(1, 2))).mean(2))


class Bent(nn.Module):
    """Every activation."""

    shape = (2, 3, 5, 4)

    def __init__(self):
        super().__init__()
        self.slope = nn.PReLU(3)

    def forward(self, x):
        y = self.slope(x) + F.selu(x) + F.celu(x, 0.5) + F.softplus(x) + F.softsign(x) + F.hardsigmoid(x) + F.mish(x)
        y = y + F.relu6(x * 3) + x.clamp(-0.3, 0.4) + x.abs().sqrt() + torch.exp(-x * x)
        return y + F.gelu(x, approximate="tanh")


class Shuffled(nn.Module):
    """Channels cut, joined and dealt out; pixels moved."""

    shape = (2, 8, 5, 6)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.depth = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)

    def forward(self, x):
        a, b = x.chunk(2, 1)
        y = self.conv(torch.cat([a, b * 2], 1))
        n, c, h, w = y.shape
        y = self.depth(y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w))
        wide = F.pad(F.pixel_shuffle(y, 2), (1, 2, 0, 1), mode="reflect")
        return wide, F.interpolate(y, scale_factor=2), F.local_response_norm(y, 5)


class Volume(nn.Module):
    """A convolution of volumes, and means of windows that hang over."""

    shape = (2, 2, 6, 4, 5)

    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv3d(2, 4, 3, padding=1), nn.AvgPool2d(3, 2, 1, ceil_mode=True)

    def forward(self, x):
        y = F.max_pool3d(F.relu(self.conv(x)), 2)
        return self.pool(y.flatten(1, 2)), y.sum((2, 3, 4))


class Patches(nn.Module):
    """A small vision transformer, with a learned token before its patches."""

    shape = (2, 3, 8, 12)

    def __init__(self):
        super().__init__()
        self.patch, self.token = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8))
        self.place = nn.Parameter(torch.randn(1, 7, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True)
        self.out = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.size(0), -1, -1), x], 1) + self.place
        return self.out(self.layer(x)[:, 0])


class Mobile(nn.Module):
    """Depthwise convolutions, ReLU6, Dropout."""

    shape = (2, 3, 9, 8)

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()),
            *(nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 4, 1)),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(4, 5), nn.Softmax(1)),
        )

    def forward(self, x):
        return self.body(x)


class Attentive(nn.Module):
    """Every second row and column as channels, and gates from the largest and the mean over channels and planes."""

    shape = (2, 3, 8, 6)

    def __init__(self):
        super().__init__()
        self.conv, self.small, self.gate = nn.Conv2d(12, 6, 3, padding=1), nn.Conv2d(6, 6, 1), nn.Conv2d(2, 1, 3, 1, 1)

    def forward(self, x):
        corners = [x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
        x = self.conv(torch.cat(corners, 1))
        x = x * torch.sigmoid(self.small(x.amax((2, 3), keepdim=True)) + self.small(x.mean((2, 3), keepdim=True)))
        gate = self.gate(torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1))
        return x * torch.sigmoid(gate), x.amin(2)


MODULES = (Attentive, Gated, Residual, Wide, Recurrent, Rows, Words, Bent, Shuffled, Volume, Patches, Mobile)
