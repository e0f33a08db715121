"""A step's command line, whose mistakes are told in one line."""

import argparse


class Parser(argparse.ArgumentParser):
    def parse_args(self, args=None, namespace=None):
        """As argparse's, but an unknown option is told with the one that was meant, if there is."""
        parsed, unknown = self.parse_known_args(args, namespace)
        wrong = [word.partition("=")[0] for word in unknown if word.startswith("--")]
        if wrong:
            import difflib  # which a step that is called rightly need not wait for
            near = difflib.get_close_matches(wrong[0], self._option_string_actions, 1)
            self.error(f"no such option: {wrong[0]}" + (f", is it {near[0]}?" if near else ""))
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed

    def error(self, message):
        raise SystemExit(f"{self.prog}: {message} (try --help)")
