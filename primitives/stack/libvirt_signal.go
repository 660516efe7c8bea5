package stack

import "github.com/digitalocean/go-libvirt"

// signalToSystemd has libvirt signal a container's init, which it knows by the
// number 1; it does so for containers alone. SIGRTMIN is 34, as systemd and the C
// library count.
func signalToSystemd(what verb) (func(*libvirt.Libvirt, libvirt.Domain) error, error) {
	const init, sigrtmin = 1, 34
	signals := map[verb]uint32{verbShutdown: sigrtmin + 4, verbReboot: sigrtmin + 5}
	return func(rpc *libvirt.Libvirt, on libvirt.Domain) error {
		return rpc.DomainSendProcessSignal(on, init, signals[what], 0)
	}, nil
}
