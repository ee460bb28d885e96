#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What policy did, on real packets: rules' hits go up by exactly what was sent, audited policies count and enforce nothing, and the verdict log has a line for
each decision, no more a second than it may, and says how many it has not.

  h1-e1, h1-e2 -- h1 ==== underlay ==== h2 -- h2-e1        policies select h2-e1, on h2; what asks it is UDP to port 8080"""
import contextlib
import datetime
import json
import os
import signal
import subprocess

import harness
from harness import with_lab
from lablib import hosts, processes
from lablib.command import environment, run, wait_until

PORT = 8080
WEB = '''apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: default}
spec:
  podSelector: {matchLabels: {host: h2, app: e1}}
  ingress: [{from: [{podSelector: {matchLabels: {host: h1, app: e1}}}], ports: [{protocol: UDP, port: 8080}]}]
'''
AUDITED = '''apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: quiet, annotations: {weft.dev/audit: "true"}}
spec:
  tier: Admin
  priority: 1
  subject: {pods: {podSelector: {matchLabels: {host: h2, app: e1}}}}
  ingress: [{name: hush, action: Deny, from: [{namespaces: {}}]}]
'''
ALLOWS = 'ingress rule 1 of default/web'
DENIES = 'ingress isolation of default/web'
AUDITS = 'ingress rule 1 (hush) of cnp:quiet'
RATE = 20


@contextlib.contextmanager
def policy(lab, name, text):
    lab.host('h2').weft('policy', 'apply', '-f', '-', text_input=text)
    try:
        yield
    finally:
        lab.host('h2').weft('policy', 'delete', name)


def send(lab, source, connections, each=1, port=PORT):
    """So many connections of so many datagrams."""
    code = ('import socket, sys\naddress, port, connections, each = sys.argv[1], *map(int, sys.argv[2:])\n'
            'for _ in range(connections):\n s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n'
            ' for _ in range(each): s.sendto(b"x", (address, port))')
    run('/usr/bin/python3', '-I', '-c', code, lab.address('h2-e1'), str(port), str(connections), str(each), netns=lab.netns(source))


def hits(lab, name):
    """By rule: connections, denied, audited."""
    shown = lab.host('h2').weft_json('policy', 'show', name)
    return {each['rule']: (each['connections'], each['denied'], each['audited']) for each in shown['hits']}


def come_to(lab, name, expected):
    """Packets may still be on their way; none comes too many."""
    wait_until(lambda: sum(map(sum, hits(lab, name).values())) >= sum(map(sum, expected.values())), f'hits of {name}', 15)
    assert hits(lab, name) == expected, f'{hits(lab, name)}, not {expected}'


def hits_are_what_was_sent(lab):
    host = lab.host('h2')
    with policy(lab, 'default/web', WEB):
        come_to(lab, 'default/web', {ALLOWS: (0, 0, 0), DENIES: (0, 0, 0)})
        send(lab, 'h1-e1', 7, each=3)
        send(lab, 'h1-e2', 5, each=2)
        come_to(lab, 'default/web', {ALLOWS: (7, 0, 0), DENIES: (0, 10, 0)})
        host.try_weft('explain', lab.address('h1-e2'), 'h2-e1', 'udp', PORT)
        send(lab, 'h1-e1', 1, port=PORT + 1)
        come_to(lab, 'default/web', {ALLOWS: (7, 0, 0), DENIES: (0, 11, 0)})
        shown = host.weft('policy', 'show', 'default/web')
        assert [line.split() for line in shown.splitlines()[1:4]] == [
            ['#', 'RULE', 'CONNECTIONS', 'DENIED', 'PACKETS'], ['#', *ALLOWS.split(), '7', '0'], ['#', *DENIES.split(), '0', '11']], shown
        host.weft('policy', 'apply', '-f', '-', text_input=shown)
        assert host.weft('policy', 'list').splitlines()[1].split()[-1] == '18', host.weft('policy', 'list')


def hits_outlive_the_agent_but_not_the_rule(lab):
    host = lab.host('h2')
    with policy(lab, 'default/web', WEB):
        send(lab, 'h1-e1', 3)
        come_to(lab, 'default/web', {ALLOWS: (3, 0, 0), DENIES: (0, 0, 0)})
        processes.kill(host.agent())
        host.start_agent()
        host.wait_until_ready()
        send(lab, 'h1-e1', 1)
        come_to(lab, 'default/web', {ALLOWS: (4, 0, 0), DENIES: (0, 0, 0)})
    harness.stop(host)
    host.start_agent()
    host.wait_until_ready()
    # Its numbers may be those that the rules before had.
    with policy(lab, 'default/web', WEB):
        come_to(lab, 'default/web', {ALLOWS: (0, 0, 0), DENIES: (0, 0, 0)})


def audited_policies_count_and_enforce_nothing(lab):
    with policy(lab, 'default/web', WEB), policy(lab, 'cnp:quiet', AUDITED):
        denied = harness.drops(lab.host('h2')).get('ingress_policy', 0)
        send(lab, 'h1-e1', 4, each=2)
        come_to(lab, 'default/web', {ALLOWS: (4, 0, 0), DENIES: (0, 0, 0)})
        quiet = hits(lab, 'cnp:quiet')
        assert quiet.pop(AUDITS) == (0, 0, 4) and not any(map(any, quiet.values())), quiet
        assert harness.drops(lab.host('h2')).get('ingress_policy', 0) == denied, 'an audited rule denied'
        assert 'WOULD HAVE DECIDED' in lab.host('h2').weft('policy', 'show', 'cnp:quiet')


# --- the log


@contextlib.contextmanager
def verdict_log(lab, what):
    """The log of h2, kept while the block lasts."""
    host = lab.host('h2')
    configuration = host.directory / 'weftd.conf'
    before = configuration.read_text(encoding='utf8')
    path = host.directory / 'verdicts.log'
    path.unlink(missing_ok=True)
    configuration.write_text(f'{before}verdict-log = {path}\nverdict-log-rate = {RATE}\nverdict-log-what = {what}\n', encoding='utf8')
    try:
        restart(host)
        wait_until(lambda: traces(host) == 1, 'the trace of the verdict log', 30)
        yield path
    finally:
        configuration.write_text(before, encoding='utf8')
        restart(host)


def restart(host):
    harness.stop(host)
    host.start_agent()
    host.wait_until_ready()


def traces(host):
    """How many the fast path runs; none while it is away."""
    return sum(gauge['used'] for gauge in host.weft_json('status')['fast_path']['gauges'] if gauge['name'] == 'trace')


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding='utf8').splitlines()] if path.exists() else []


def verdicts(path):
    """Of this test's datagrams."""
    return [line for line in lines(path) if line.get('protocol') == 'udp' and line['destination_port'] == PORT]


def lost(path):
    return sum(line.get('lost', 0) for line in lines(path))


def log_has_a_line_for_each_decision(lab):
    with policy(lab, 'default/web', WEB), policy(lab, 'cnp:quiet', AUDITED), verdict_log(lab, 'all') as path:
        begin = datetime.datetime.now(datetime.timezone.utc)
        send(lab, 'h1-e1', 2, each=3)
        send(lab, 'h1-e2', 1, each=3)
        wait_until(lambda: len(verdicts(path)) >= 5, 'five lines', 15)
        found = verdicts(path)
        assert path.stat().st_mode & 0o777 == 0o600, oct(path.stat().st_mode)
        assert [line['verdict'] for line in found] == ['allowed'] * 2 + ['denied'] * 3, found
        allowed, denied = found[0], found[-1]
        age = datetime.datetime.fromisoformat(allowed.pop('time')) - begin
        assert abs(age.total_seconds()) < 5, age
        assert allowed.pop('source_port') > 0
        assert allowed == {'verdict': 'allowed', 'direction': 'ingress', 'rule': ALLOWS, 'audited_rule': AUDITS, 'network': 'default', 'protocol': 'udp',
                           'source': lab.address('h1-e1'), 'source_endpoint': None, 'destination': lab.address('h2-e1'),
                           'destination_endpoint': 'h2-e1', 'destination_port': PORT, 'icmp_type': None, 'icmp_code': None, 'drop_reason': None}, allowed
        assert (denied['rule'], denied['audited_rule'], denied['drop_reason']) == (DENIES, None, 'ingress_policy'), denied


def log_has_only_what_it_shall(lab):
    with policy(lab, 'default/web', WEB), verdict_log(lab, 'denied') as path:
        send(lab, 'h1-e1', 2)
        send(lab, 'h1-e2', 2)
        wait_until(lambda: len(verdicts(path)) >= 2, 'two lines', 15)
        assert {line['source'] for line in verdicts(path)} == {lab.address('h1-e2')}, verdicts(path)


def log_keeps_to_its_rate_and_says_what_is_lost(lab):
    with policy(lab, 'default/web', WEB), verdict_log(lab, 'denied') as path:
        send(lab, 'h1-e2', 500)
        wait_until(lambda: len(verdicts(path)) + lost(path) >= 500, 'lines and lost ones', 30)
        assert len(verdicts(path)) + lost(path) == 500, (len(verdicts(path)), lost(path))
        # What was saved up, and what came in the second or so that it took.
        assert RATE <= len(verdicts(path)) <= 4 * RATE, len(verdicts(path))
        assert hits(lab, 'default/web')[DENIES] == (0, 500, 0)


def log_follows_its_name(lab):
    with policy(lab, 'default/web', WEB), verdict_log(lab, 'denied') as path:
        send(lab, 'h1-e2', 1)
        wait_until(lambda: len(verdicts(path)) == 1, 'a line', 15)
        away = path.with_suffix('.1')
        os.rename(path, away)
        wait_until(path.exists, 'a new file', 15)
        send(lab, 'h1-e2', 1)
        wait_until(lambda: len(verdicts(path)) == 1, 'a line in the new file', 15)
        assert len(verdicts(away)) == 1, verdicts(away)
        away.unlink()


def log_goes_on_with_another_fast_path(lab):
    host = lab.host('h2')
    if host.fastpath == 'ebpf':
        return  # no process that could go
    with policy(lab, 'default/web', WEB), verdict_log(lab, 'denied') as path:
        before = host.dataplane()
        processes.kill(before)
        wait_until(lambda: host.dataplane() not in (None, before) and host.answers() and traces(host) == 1, 'the trace in the next fast path', 30)
        host.wait_until_ready()
        send(lab, 'h1-e2', 1)
        wait_until(lambda: len(verdicts(path)) == 1, 'a line', 15)


def live_lines_are_those_of_the_log(lab):
    host = lab.host('h2')
    with policy(lab, 'default/web', WEB):
        command = [hosts.programs() / 'weft', '--socket', host.socket, 'policy', 'log', '--denied', 'h2-e1', '--protocol', 'udp']
        before = traces(host)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment())
        wait_until(lambda: traces(host) > before, 'a running trace', 30)
        send(lab, 'h1-e1', 1)
        send(lab, 'h1-e2', 1)
        line = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stdout.read() == ''
        process.stdout.close()
        assert (line['verdict'], line['rule'], line['source']) == ('denied', DENIES, lab.address('h1-e2')), line


CASES = (hits_are_what_was_sent, hits_outlive_the_agent_but_not_the_rule, audited_policies_count_and_enforce_nothing, log_has_a_line_for_each_decision,
         log_has_only_what_it_shall, log_keeps_to_its_rate_and_says_what_is_lost, log_follows_its_name, log_goes_on_with_another_fast_path,
         live_lines_are_those_of_the_log)

harness.need_root()
with_lab('verdicts', {'hosts': 2, 'endpoints': 2}, *CASES)
harness.finish()
