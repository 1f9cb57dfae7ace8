"""A small generator of numbers (splitmix64), so that a seed means the same faults on every machine and version."""


class Prng:
    def __init__(self, seed):
        self.state = seed & 0xFFFFFFFFFFFFFFFF

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        return z ^ (z >> 31)

    def below(self, n):
        return self.next() % n

    def between(self, low, high):
        """A float between the two."""
        return low + (high - low) * (self.next() >> 11) / (1 << 53)

    def choice(self, items):
        return items[self.below(len(items))]

    def weighted(self, items):
        """items: (thing, weight) pairs."""
        at = self.below(sum(weight for _, weight in items))
        for thing, weight in items:
            if at < weight:
                return thing
            at -= weight
        raise AssertionError("unreachable")
