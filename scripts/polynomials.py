#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the constants of src/cpu: near-minimax polynomials and split logarithms. Needs mpmath.

exp2:  2^f = 1 + f*q(f), the relative error of the whole minimised; coefficients are rounded to the
       lane type one after the other, from the constant up, and the rest is fitted anew each time.
log:   log((1+s)/(1-s)) = 2*s + s*R(s^2), the error of R minimised relative to 1.
"""
import mpmath as mp

mp.mp.prec = 300


def rounded(value, bits):
    """value rounded to a float of that many bits of precision"""
    with mp.workprec(bits):
        return +value


def fitted(target, weight, powers, low, high):
    """Coefficients of sum(c*x^p) near target(x) on [low, high]: least squares of error*weight over Chebyshev
    nodes, which comes within a few percent of the minimax polynomial"""
    count = 6 * len(powers) + 20
    nodes = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * count)) for i in range(count)]
    system = mp.matrix(count, len(powers))
    right = mp.matrix(count, 1)
    for i, x in enumerate(nodes):
        for j, p in enumerate(powers):
            system[i, j] = x**p * weight(x)
        right[i] = target(x) * weight(x)
    return list(mp.lu_solve(system.T * system, system.T * right))


def fit_rounded(target, weight, degree, low, high, bits):
    """Rounds c0, fits c1.. to what is left, rounds c1, and so on"""
    fixed = []
    for first in range(degree + 1):
        rest = lambda x: target(x) - sum(c * x**i for i, c in enumerate(fixed))
        coefficients = fitted(rest, weight, list(range(first, degree + 1)), low, high)
        fixed.append(rounded(coefficients[0], bits))
    grid = [low + (high - low) * i / 2000 for i in range(2001)]
    worst = max(abs(sum(c * x**i for i, c in enumerate(fixed)) - target(x)) * weight(x) for x in grid)
    return fixed, worst


def show(name, coefficients, worst, suffix):
    print(f"{name}: worst error 2^{float(mp.log(worst, 2)):.2f}")
    for i, c in enumerate(coefficients):
        print(f"  c{i} = {float(c).hex()}{suffix}")


def exp2_quotient(f):
    """(2^f - 1)/f"""
    return mp.log(2) if f == 0 else (mp.power(2, f) - 1) / f


def log_remainder(z):
    """R(z)/z with z = s^2"""
    if z == 0:
        return mp.mpf(2) / 3
    s = mp.sqrt(z)
    return ((mp.log(1 + s) - mp.log(1 - s)) / s - 2) / z


if __name__ == "__main__":
    for name, degree, half, bits, suffix in (("exp2 f32", 6, "0.5625", 24, "f"),
                                             ("exp2 f64", 11, "0.50001", 53, "")):
        half = mp.mpf(half)
        weight = lambda f: max(abs(f), mp.mpf(10)**-30) / mp.power(2, f)
        show(name, *fit_rounded(exp2_quotient, weight, degree - 1, -half, half, bits), suffix)
    high = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)
    show("log f64", *fit_rounded(log_remainder, lambda z: max(z, mp.mpf(10)**-30),
                                 6, mp.mpf(0), (high * mp.mpf("1.00001"))**2, 53), "")
    for name, value, bits in (("log2(e)", 1 / mp.log(2), 53), ("log(2)", mp.log(2), 53), ("log2(e) f32", 1 / mp.log(2), 24)):
        high_part = rounded(value, bits)
        print(f"{name} = {float(high_part).hex()} + {float(rounded(value - high_part, bits)).hex()}")
    # log(2) whose high part has 21 trailing zeros, so that k*high is exact for |k| < 2^21
    high_part = rounded(mp.log(2), 32)
    print(f"log(2) split = {float(high_part).hex()} + {float(rounded(mp.log(2) - high_part, 53)).hex()}")
