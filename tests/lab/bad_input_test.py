#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Trouble that an operator makes or meets: one clear sentence that names the thing and the remedy, a non-zero exit, and nothing half-done left behind."""
import os
import subprocess
import tempfile

import harness
from harness import with_lab
from lablib import hosts, namespaces
from lablib.command import environment, in_netns, run


def refused(done, *words):
    """One sentence on the last line, below whatever was logged before."""
    lines = done.stderr.strip().splitlines()
    assert done.returncode not in (0, None) and done.returncode > 0, f'exit {done.returncode}: {done.stdout}{done.stderr}'
    assert lines, 'nothing was said'
    for word in words:
        assert word in lines[-1], f'"{word}" is not in: {lines[-1]}'
    assert 'terminate called' not in done.stderr and 'Sanitizer' not in done.stderr, done.stderr
    return lines


def agent(lab, *arguments, before=()):
    """Starts another weftd in h1's namespace, with directories of its own; it must end by itself."""
    with tempfile.TemporaryDirectory(prefix='weft-bad-') as directory:
        os.chmod(directory, 0o777)
        words = {'--state-dir': f'{directory}/state', '--socket': f'{directory}/weftd.sock', '--dataplane-socket': f'{directory}/dataplane.sock'}
        given = list(map(str, arguments))
        for key, value in words.items():
            if key not in given:
                given += [key, value]
        command = in_netns(lab.netns('h1'), *before, hosts.programs() / 'weftd', *given)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, env=environment())
        for name in ('weftd.sock', 'dataplane.sock'):
            assert not os.path.exists(f'{directory}/{name}'), f'{name} is left'
        return done


def unknown_flags_and_keys_name_the_nearest(lab):
    refused(agent(lab, '--uplnk', 'eth0'), 'uplnk', 'uplink')
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
        file.write('neighbour = 10.99.0.9\n')
        file.flush()
        refused(agent(lab, '--config', file.name), 'neighbour', 'neighbor')


def bad_values_are_refused(lab):
    for words, said in ((['--hold-time', '2'], ['hold-time', '3']), (['--neighbor', '10.99.0'], ['neighbor', '10.99.0']),
                        (['--block', '10.0.0.0/40'], ['block', '10.0.0.0/40']), (['--network', 'red=16777216'], ['network', '16777215']),
                        (['--network', 'red'], ['NAME=VNI']), (['--as', 'many'], ['many']), (['--hugepages', 'maybe'], ['hugepages', 'maybe']),
                        (['--fastpath', 'magic'], ['fastpath', 'ebpf', 'dpdk']), (['--config', '/no/such/file'], ['/no/such/file']),
                        (['--log-level', 'loud'], ['log-level', 'loud']), (['--uplink', 'none0'], ['none0']),
                        (['--uplink', 'uplink', '--vtep', '10.9.9.9'], ['--vtep 10.9.9.9', 'ip address add']),
                        (['--router-id', 'fd00::1'], ['router-id', 'IPv4'])):
        refused(agent(lab, *words), *said)


def missing_privilege_is_named(lab):
    refused(agent(lab, before=('setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups')), 'root')
    done = subprocess.run(['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', hosts.programs() / 'weft', '--socket', lab.host('h1').socket,
                           'status'], capture_output=True, text=True, timeout=20, env=environment())
    refused(done, str(lab.host('h1').socket))


def missing_hugepages_are_named(lab):
    command = in_netns(lab.netns('h1'), hosts.programs() / 'weft-dataplane', '--socket', '/tmp/weft-bad.sock', '--hugepages', 'on', '--memory', '1000000')
    refused(subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, env=environment()), 'hugepages',
            '/proc/sys/vm/nr_hugepages')


def running_without_hugepages_says_so(lab):
    assert 'hugepages' in str(lab.host('h1').weft_json('status')).lower()
    assert lab.host('h1').weft_json('status')['fast_path']['hugepages'] is False


def taken_bgp_port_is_named(lab):
    refused(agent(lab, '--bgp-listen', lab.host('h1').vtep), '179', lab.host('h1').vtep)


def taken_sockets_are_named(lab):
    host = lab.host('h1')
    refused(agent(lab, '--bgp-port', '1790', '--socket', host.socket), str(host.socket))
    refused(agent(lab, '--bgp-port', '1790', '--state-dir', host.directory / 'state'), str(host.directory / 'state'))
    refused(agent(lab, '--bgp-port', '1790', '--dataplane-socket', host.dataplane_socket), str(host.dataplane_socket), 'weftd with pid')
    assert host.answers(), 'the first agent should answer as before'
    host.weft('status')
    refused(subprocess.run(in_netns(host.netns, hosts.programs() / 'weft-dataplane', '--socket', host.dataplane_socket), stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=20, env=environment()), str(host.dataplane_socket))


def endpoint_add(lab, *words):
    return lab.host('h1').try_weft('endpoint', 'add', *words)


def untouched(lab, function):
    """Runs it, and checks that endpoints and the container's links are what they were."""
    spare = lab.netns('h1-e2')
    before = lab.host('h1').weft_json('endpoint', 'list'), run('ip', '-n', spare, '-o', 'link')
    function(f'/run/netns/{spare}')
    after = lab.host('h1').weft_json('endpoint', 'list'), run('ip', '-n', spare, '-o', 'link')
    assert before == after, 'something is left behind'


def duplicate_name_is_refused(lab):
    untouched(lab, lambda netns: refused(endpoint_add(lab, 'h1-e1', '--netns', netns, '--ifname', 'eth1'), 'h1-e1'))


def duplicate_address_is_refused(lab):
    for address in (lab.address('h1-e1'), lab.address('h1-e1', ipv6=True)):
        untouched(lab, lambda netns: refused(endpoint_add(lab, 'twin', '--netns', netns, '--ifname', 'eth1', '--address', address), 'twin', address, 'h1-e1'))


def address_of_another_host_is_refused(lab):
    lab.host('h1')
    address = lab.address('h2-e1')
    untouched(lab, lambda netns: refused(endpoint_add(lab, 'twin', '--netns', netns, '--ifname', 'eth1', '--address', address), address))


def missing_or_wrong_netns_is_refused(lab):
    untouched(lab, lambda netns: refused(endpoint_add(lab, 'lost', '--netns', '/run/netns/there-is-none'), 'lost', '/run/netns/there-is-none'))
    untouched(lab, lambda netns: refused(endpoint_add(lab, 'lost', '--netns', '/etc/passwd'), 'lost', '/etc/passwd'))
    for own in (lab.netns('h1'), '/proc/self/ns/net'):
        untouched(lab, lambda netns, own=own: refused(endpoint_add(lab, 'lost', '--netns', own), 'lost', own, "the host's own"))


def bad_endpoint_words_are_refused(lab):
    for words, said in ((['a b'], ['a b']), (['10.244.1.9'], ['10.244.1.9', '--address']), (['uplink'], ['uplink']), (['x', '--address', '10.244.1'], ['10.244.1']), (['x', '--address', '127.0.0.1'], ['127.0.0.1']),
                        (['x', '--network', 'blue'], ['blue']), (['x', '--ifname', 'a-name-that-is-too-long'], ['a-name-that-is-too-long']),
                        (['x', '--label', '=v'], ['=v']), (['x', '--mac', '01:00:00:00:00:01'], ['01:00:00:00:00:01'])):
        untouched(lab, lambda netns: refused(endpoint_add(lab, *words, '--netns', netns, *(() if '--ifname' in words else ('--ifname', 'eth1'))), *said))


def taken_interface_is_refused(lab):
    untouched(lab, lambda netns: refused(endpoint_add(lab, 'third', '--netns', netns), 'eth0'))
    run('ip', '-n', lab.netns('h1-e2'), 'link', 'add', 'bridge7', 'type', 'bridge')
    try:
        untouched(lab, lambda netns: refused(endpoint_add(lab, 'third', '--netns', netns, '--ifname', 'bridge7'), 'bridge7'))
    finally:
        run('ip', '-n', lab.netns('h1-e2'), 'link', 'del', 'bridge7')


def full_block_is_named(lab):
    """h3 leases from a /30: few addresses, and then a sentence."""
    host = lab.add_host(3, more_configuration=[('network', 'small=5000'), ('block', 'small=10.55.0.0/30')])
    for number in range(5):
        netns = namespaces.add(lab.state, f'{lab.name}-h3-s{number}')
        done = host.try_weft('endpoint', 'add', f's{number}', '--netns', f'/run/netns/{netns}', '--network', 'small')
        if done.returncode != 0:
            refused(done, f's{number}', '10.55.0.0/30')
            assert number >= 1
            break
    else:
        raise AssertionError('five endpoints were given addresses of a /30')
    assert len(host.weft_json('endpoint', 'list')['endpoints']) == number
    assert 'eth0' not in run('ip', '-n', netns, '-o', 'link')


def default_route_that_is_there_stays(lab):
    """A second interface in a namespace gets a worse default route, and takes only that away again."""
    netns = lab.netns('h1-e2')
    for family in ('-4', '-6'):
        before = run('ip', family, '-n', netns, 'route', 'show', 'default')
        assert before.strip(), 'the namespace has no default route to begin with'
        done = endpoint_add(lab, 'second', '--netns', f'/run/netns/{netns}', '--ifname', 'eth1')
        assert done.returncode == 0, done.stderr
        during = run('ip', family, '-n', netns, 'route', 'show', 'default')
        lab.host('h1').weft('endpoint', 'delete', 'second')
        assert before.strip() in during and 'dev eth1' in during and 'metric 4000' in during, during
        assert run('ip', family, '-n', netns, 'route', 'show', 'default') == before


def unknown_things_are_named(lab):
    for words, said in ((['endpoint', 'show', 'nobody'], 'nobody'), (['endpoint', 'delete', 'nobody'], 'nobody'),
                        (['explain', 'nobody', 'h1-e1'], 'nobody'), (['policy', 'apply', '-f', '/no/such.yaml'], '/no/such.yaml'),
                        (['rout', 'list'], 'route'), (['peer', 'show', '10.99.0.77'], '10.99.0.77')):
        done = lab.host('h1').try_weft(*words)
        refused(done, said)
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def agent_that_is_not_there_is_named(_):
    done = subprocess.run([hosts.programs() / 'weft', '--socket', '/tmp/no-such-weftd.sock', 'status'], capture_output=True, text=True, timeout=20,
                          env=environment())
    refused(done, '/tmp/no-such-weftd.sock')
    assert done.returncode == 3, done.returncode


harness.need_root()
with_lab('bad input', {'hosts': 2, 'endpoints': 2}, unknown_flags_and_keys_name_the_nearest, bad_values_are_refused, missing_privilege_is_named,
         missing_hugepages_are_named, running_without_hugepages_says_so, taken_bgp_port_is_named, taken_sockets_are_named, duplicate_name_is_refused,
         duplicate_address_is_refused, address_of_another_host_is_refused, missing_or_wrong_netns_is_refused, bad_endpoint_words_are_refused,
         taken_interface_is_refused, default_route_that_is_there_stays, unknown_things_are_named, agent_that_is_not_there_is_named, full_block_is_named,
         fastpaths=('dpdk',))
harness.finish()
