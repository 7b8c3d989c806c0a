"""The pages of a running service, as a probe or a scraper sees them."""

from __future__ import annotations

from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families
from tests.acceptance.pod import Pod


class Pages:
    """Found by the address that the service prints at its start."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        pod.until(lambda: "http://" in self._printed, "the address of the pages")
        self.address = self._printed.partition("metrics and health: ")[2].split()[0]

    @property
    def _printed(self) -> str:
        return (self._pod.folder / "out").read_text()

    def status(self, page: str = "/-/healthy") -> int:
        return requests.get(self.address + page, timeout=5).status_code

    @property
    def facts(self) -> Any:
        return requests.get(f"{self.address}/-/healthy", timeout=5).json()

    def metric(self, name: str, **labels: str) -> float:
        """One sample; 0 when it is not there."""
        text = requests.get(f"{self.address}/metrics", timeout=5).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and sample.labels == labels
        )
