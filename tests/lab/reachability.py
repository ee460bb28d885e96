# SPDX-License-Identifier: BSD-3-Clause
"""Who reaches whom in a cluster, as a test expects it: starts with everybody and is changed by a few plain words, each later one over the earlier:

  everyone().close('*', 'x/a').open('x/*, y/b', 'x/a')        only x/* and y/b to x/a

A pod always reaches itself and is not asked."""
import fnmatch


class Reachability:
    def __init__(self, pods, reaches=True):
        self.pods = list(pods)
        self.pairs = {(source, target): reaches for source in self.pods for target in self.pods if source != target}

    def named(self, text):
        """Pods by NAMESPACE/POD, either with wildcards, several with commas."""
        found = set()
        for pattern in text.split(','):
            matching = fnmatch.filter(self.pods, pattern.strip())
            if not matching:
                raise ValueError(f'no pod is called {pattern.strip()}')
            found.update(matching)
        return found

    def put(self, sources, targets, reaches):
        sources, targets = self.named(sources), self.named(targets)
        for source, target in self.pairs:
            if source in sources and target in targets:
                self.pairs[source, target] = reaches
        return self

    def close(self, sources, targets):
        return self.put(sources, targets, False)

    def open(self, sources, targets):
        return self.put(sources, targets, True)
