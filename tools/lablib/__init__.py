# SPDX-License-Identifier: BSD-3-Clause
"""The lab: weft hosts as network namespaces on one machine. tools/lab is its command line; tools/demo, the tests and the benchmarks use it as a
library, beginning with lab.Lab."""
