# SPDX-License-Identifier: BSD-3-Clause
"""Captures the underlay of a lab and has tshark decode it: our outer headers as a stranger sees them."""
import subprocess
import tempfile

from lablib import namespaces
from lablib.command import LabError, attempt, environment, in_netns, run

# Checksums are verified, also the inner ones. The random bytes that transfer.py sends are nothing but data, whatever they look like.
CHECKS = ['-d', 'tcp.port==5001,data', '-d', 'udp.port==5002,data', '-o', 'ip.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE',
          '-o', 'tcp.check_checksum:TRUE', '-o', 'udp.ignore_ipv6_zero_checksum:TRUE']
MALFORMED = '_ws.malformed or _ws.short'
COMPLAINTS = ' or '.join([MALFORMED, '_ws.expert.severity == error',
                          *(f'{protocol}.checksum.status == "Bad"' for protocol in ('ip', 'tcp', 'udp', 'icmp', 'icmpv6'))])


def finish_before_sending(lab):
    """A veth pair carries frames that are still to be cut and summed, as no wire does: from now on the kernel does that before it sends."""
    for netns in namespaces.ours(lab.state):
        if attempt('ip', 'link', 'show', 'dev', 'uplink', netns=netns).returncode == 0:
            run('ethtool', '-K', 'uplink', 'tx', 'off', 'tso', 'off', 'gso', 'off', netns=netns)


class Capture:
    """Everything that passes the underlay's port of one host, for as long as the block lasts."""

    def __init__(self, lab, port):
        finish_before_sending(lab)
        self.netns = lab.netns('underlay')
        self.file = tempfile.NamedTemporaryFile(prefix='weft-capture-', suffix='.pcap')
        self.process = subprocess.Popen(in_netns(self.netns, 'tcpdump', '-i', port, '-s', '0', '-B', '32768', '--immediate-mode', '-U', '-w', self.file.name),
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment())
        for line in self.process.stderr:
            if 'listening on' in line:
                break
        else:
            raise LabError(f'tcpdump on {port} of {self.netns} does not start')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(2)
        self.process.communicate()

    def tshark(self, display_filter, *fields):
        """Lines of the packets that match; with fields, these, separated by tabs."""
        chosen = ['-T', 'fields', *(word for field in fields for word in ('-e', field))] if fields else []
        done = attempt('tshark', '-n', '-r', self.file.name, *CHECKS, *chosen, '-Y', display_filter, timeout=300)
        if done.returncode != 0:
            raise LabError(f'tshark: {done.stderr.strip().splitlines()[-1]}')
        return done.stdout.splitlines()

    def complaints(self, display_filter):
        return self.tshark(f'({display_filter}) and ({COMPLAINTS})')

    def malformed(self, display_filter):
        """For packets of the kernel, whose sums a veth pair leaves open."""
        return self.tshark(f'({display_filter}) and ({MALFORMED})')
