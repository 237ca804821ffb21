"""The suite `hessian-paper`: every table and figure with numbers of the Hessian paper, beside the paper's own."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.hessian_paper import SOURCE
from benchmarks.hessian_paper_suite.fig1 import Fig1
from benchmarks.hessian_paper_suite.fig4 import Fig4
from benchmarks.hessian_paper_suite.fig6 import Fig6
from benchmarks.hessian_paper_suite.fig7 import Fig7
from benchmarks.hessian_paper_suite.fig8 import Fig8
from benchmarks.hessian_paper_suite.fig9 import Fig9
from benchmarks.hessian_paper_suite.table1 import Table1
from benchmarks.hessian_paper_suite.table2 import Table2
from benchmarks.hessian_paper_suite.table3 import Table3
from nnctrl.suite import AbstractExperiment, AbstractSuite


class HessianPaperSuite(AbstractSuite):
    """Figures 1, 4, 6, 7, 8, 9 and Tables I to III of 'Provable Bounds on the Hessian of Neural Networks'."""

    id: ClassVar[str] = "hessian-paper"
    title: ClassVar[str] = "The experiments of the Hessian paper"
    network_source: ClassVar[str] = SOURCE

    def experiments(self) -> tuple[AbstractExperiment, ...]:
        """In the order of the paper."""
        return Fig1(), Fig4(), Fig6(), Fig7(), Fig8(), Fig9(), Table1(), Table2(), Table3()
