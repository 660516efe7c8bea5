// Package machine gives a test a real machine to take down: a container with
// systemd, logind and polkit, or with sysvinit or OpenRC, and an OpenSSH server, and a desk
// from which to reach it.
//
//	m := machine.Start(t, machine.Options{})
//	out, err := m.SSH(ctx, "operator", "uname -n").CombinedOutput()
//	m.WaitOff(t, 10*time.Second)
//
// A machine is a systemd-nspawn container on the kernel of the host that runs
// the test. Its disk is an overlay in memory over a Debian 12 tree, which is
// built once under .cache (half a minute) and shared; a boot takes about a
// second. What it writes outlasts its reboots and ends with the test.
//
// Nothing reaches the host. A desk is a set of namespaces of its own (network,
// mounts, processes): the network has a bridge with the desk on it at
// 198.18.0.1/24, out of the range that RFC 2544 sets aside for measurements,
// and the machines beside it, which also reach each other. The host gets no
// interface, no mount and no unit. When the test process ends, in whatever way,
// a pipe closes, the first process of the desk ends with it, and the kernel
// ends all the others.
//
// It needs root, systemd-nspawn, mmdebstrap, iproute2 and util-linux, and once
// a Debian mirror; a test that asks for a machine where one is missing is
// skipped and says so.
package machine
