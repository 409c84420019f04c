"""Pooling over windows of N x C x H x W images. A part owns whole planes (n, c), so scattering in backward needs no care.

Letters: x (N, C, H, W), y (N, C, P, Q). Windows are clipped to the image; none lies wholly outside it. Source: Caffe pooling_layer.cpp.
"""

from __future__ import annotations

from netspec.kernels.jit import Array4, Ints, Vector, kernel, span


@kernel
def max_forward(x: Array4, y: Array4, mask: Ints, fh: int, fw: int, sh: int, sw: int, ph: int, pw: int, part: int, parts: int) -> None:
    """y = the maximum of each window, mask (N*C*P*Q,) = its place h*W + w. Of equals the first wins; a NaN beats every number."""
    n, c, h, w = x.shape
    p, q = y.shape[2], y.shape[3]
    planes, tops = x.reshape(n * c, h * w), y.reshape(n * c * p * q)
    for plane in range(*span(n * c, part, parts)):
        image, at = planes[plane], plane * p * q
        for i in range(p):
            top, bottom = max(i * sh - ph, 0), min(i * sh - ph + fh, h)
            for j in range(q):
                left, right = max(j * sw - pw, 0), min(j * sw - pw + fw, w)
                place = top * w + left
                best = image[place]
                for u in range(top, bottom):
                    for v in range(u * w + left, u * w + right):
                        value = image[v]
                        if value > best or value != value:
                            best, place = value, v
                tops[at + i * q + j] = best
                mask[at + i * q + j] = place


@kernel
def max_forward_only(x: Array4, y: Array4, fh: int, fw: int, sh: int, sw: int, ph: int, pw: int, part: int, parts: int) -> None:
    """y = the maximum of each window; nothing is kept for backward."""
    n, c, h, w = x.shape
    p, q = y.shape[2], y.shape[3]
    planes, tops = x.reshape(n * c, h * w), y.reshape(n * c * p * q)
    for plane in range(*span(n * c, part, parts)):
        image, at = planes[plane], plane * p * q
        for i in range(p):
            top, bottom = max(i * sh - ph, 0), min(i * sh - ph + fh, h)
            for j in range(q):
                left, right = max(j * sw - pw, 0), min(j * sw - pw + fw, w)
                best = image[top * w + left]
                for u in range(top, bottom):
                    for v in range(u * w + left, u * w + right):
                        value = image[v]
                        if value > best or value != value:
                            best = value
                tops[at + i * q + j] = best


@kernel
def max_backward(dy: Array4, mask: Ints, dx: Array4, part: int, parts: int) -> None:
    """dx = dy at the place of each window's maximum, added up where windows overlap; 0 elsewhere."""
    planes, outputs, inputs = dy.shape[0] * dy.shape[1], dy.shape[2] * dy.shape[3], dx.shape[2] * dx.shape[3]
    flat, diffs = dy.reshape(dy.size), dx.reshape(planes, inputs)
    for plane in range(*span(planes, part, parts)):
        image = diffs[plane]
        for i in range(inputs):
            image[i] = 0
        for o in range(plane * outputs, (plane + 1) * outputs):
            image[mask[o]] += flat[o]


@kernel
def mask_top(mask: Ints, top: Vector, part: int, parts: int) -> None:
    """mask, top: (M,). The places of the maxima as real numbers, as Caffe hands them out."""
    for i in range(*span(top.size, part, parts)):
        top[i] = mask[i]


@kernel
def average_forward(x: Array4, y: Array4, fh: int, fw: int, sh: int, sw: int, ph: int, pw: int, part: int, parts: int) -> None:
    """y = the sum of each window over its area. The area counts the padding, but not what hangs over beyond it."""
    n, c, h, w = x.shape
    p, q = y.shape[2], y.shape[3]
    planes, tops = x.reshape(n * c, h * w), y.reshape(n * c * p * q)
    for plane in range(*span(n * c, part, parts)):
        image, at = planes[plane], plane * p * q
        for i in range(p):
            i0 = i * sh - ph
            tall = min(i0 + fh, h + ph) - i0
            for j in range(q):
                j0 = j * sw - pw
                area = tall * (min(j0 + fw, w + pw) - j0)
                left, right = max(j0, 0), min(j0 + fw, w)
                total = 0.0
                for u in range(max(i0, 0), min(i0 + fh, h)):
                    for v in range(u * w + left, u * w + right):
                        total += image[v]
                tops[at + i * q + j] = total / area


@kernel
def average_backward(dy: Array4, dx: Array4, fh: int, fw: int, sh: int, sw: int, ph: int, pw: int, part: int, parts: int) -> None:
    """dx = dy over the area of each window, added up where windows overlap."""
    n, c, h, w = dx.shape
    p, q = dy.shape[2], dy.shape[3]
    flat, diffs = dy.reshape(n * c * p * q), dx.reshape(n * c, h * w)
    for plane in range(*span(n * c, part, parts)):
        image, at = diffs[plane], plane * p * q
        for i in range(h * w):
            image[i] = 0
        for i in range(p):
            i0 = i * sh - ph
            tall = min(i0 + fh, h + ph) - i0
            for j in range(q):
                j0 = j * sw - pw
                share = flat[at + i * q + j] / (tall * (min(j0 + fw, w + pw) - j0))
                left, right = max(j0, 0), min(j0 + fw, w)
                for u in range(max(i0, 0), min(i0 + fh, h)):
                    for v in range(u * w + left, u * w + right):
                        image[v] += share
