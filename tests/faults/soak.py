"""Mixed work on eight daemons for a long time, and a fault every so often; memory and descriptors of the engine are
sampled, and must not grow. Faults that end the engine are left out, for its figures would begin anew.

    ./run soak --minutes 30"""
import argparse
import os
import sys
import time
import traceback

import faults
import lab
import procs
from house import Failed

GROWTH_KIB = 12 << 10


class Soak(lab.Lab):
    def sample(self):
        one = self.measure()
        self.samples.append((one["rss_kib"], one["fds"]))

    def until(self, moment):
        while time.monotonic() < moment:
            self.look()
            self.sample()
            time.sleep(0.5)

    def soak(self):
        self.samples = []
        self.begin()
        end = time.monotonic() + self.options.minutes * 60
        while time.monotonic() < end:
            self.until(min(end, time.monotonic() + self.options.every))
            chosen = [self.choose()]
            self.strike(chosen)
            print(f"{len(self.story):>4} {self.story[-1]:<44} {self.samples[-1][0]:>8} KiB {self.samples[-1][1]:>5} descriptors "
                  f"{sum(l.done for l in self.loads):>9} tasks", flush=True)
        self.check_growth()
        self.finish()

    def check_growth(self):
        """The last quarter beside the second: by then everything that is kept once is there."""
        rss = [kib for kib, _ in self.samples]
        quarter = max(1, len(rss) // 4)
        early, late = (sum(part) / len(part) for part in (rss[quarter:2 * quarter] or rss, rss[-quarter:]))
        print(f"memory of the engine: start {self.base['rss_kib']} KiB, peak {max(rss)} KiB, end {rss[-1]} KiB; "
              f"mean of the second quarter {early:.0f} KiB, of the last {late:.0f} KiB")
        print(f"descriptors of the engine: start {self.base['fds']}, peak {max(fds for _, fds in self.samples)}, "
              f"end {self.samples[-1][1]} (while it works)")
        if late > early + GROWTH_KIB and not self.house.sanitized:
            raise Failed("the engine's memory grows")


def main():
    parser = argparse.ArgumentParser(prog="./run soak", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--every", type=float, default=10, metavar="S", help="seconds from one fault to the next (10)")
    lab.arguments(parser)
    parser.set_defaults(daemons=8, loads=6, keep_engine=True, hosts=100)
    options = parser.parse_args()
    if "CLOWDER_FAULT_MOUNTS" not in os.environ:
        os.environ["CLOWDER_FAULT_MOUNTS"] = "own"
        command = faults.in_own_mounts([sys.executable, *sys.argv])
        os.execvp(command[0], command)
    procs.become_subreaper()
    lab.stop_when_told()
    soak, verdict = Soak(options), "ok"
    try:
        soak.soak()
    except Failed as e:
        verdict = f"FAILED: {e}"
    except Exception:  # pylint: disable=broad-except
        verdict = "FAILED: " + traceback.format_exc()
    for load in soak.loads:
        load.feeding = False
    soak.house.close(options.keep or verdict != "ok")
    print(f"{options.minutes:g} minutes, {sum(l.done for l in soak.loads)} tasks, {sum(soak.counts.values())} faults, "
          f"worst recovery {max(soak.worst_ms.values(), default=0)} ms: {verdict}")
    if verdict != "ok":
        print(f"kept: {soak.house.work}\nstory: {', '.join(soak.story)}")
    sys.stdout.flush()
    os._exit(0 if verdict == "ok" else 1)


if __name__ == "__main__":
    main()
