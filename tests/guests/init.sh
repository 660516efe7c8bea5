#!/bin/sh
# PID 1 of a guest. Words of the kernel's command line:
#   guest.acpi=yes   the power button shuts down
#   guest.agent=yes  a guest agent answers on the virtio port
#   guest.dead=yes   a guest agent has the virtio port open and never answers
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
told() { case " $(cat /proc/cmdline) " in *" $1 "*) return 0;; esac; return 1; }
say() { echo "$1" >/dev/ttyS0; }

if told guest.acpi=yes; then
    insmod /modules/button.ko
    insmod /modules/evdev.ko
    for device in /sys/class/input/event*; do
        [ "$(cat "$device/device/name")" = "Power Button" ] && button=/dev/input/${device##*/}
    done
    # one press is one event of 24 bytes: struct input_event
    ( head -c 24 "$button" >/dev/null; say "guest: power button"; poweroff -f ) &
fi

# the protocol of qemu-ga as far as a shutdown needs it: one JSON object a line
interfaces='{"return": [{"name": "eth0", "ip-addresses": [{"ip-address": "192.0.2.7", "ip-address-type": "ipv4", "prefix": 24}, {"ip-address": "fe80::7", "ip-address-type": "ipv6", "prefix": 64}]}]}'
agent() {
    while read -r line; do
        case $line in
        *guest-sync*) id=${line##*\"id\":}; id=${id%%[!0-9]*}; echo "{\"return\": $id}" ;;
        *guest-network-get-interfaces*) echo "$interfaces" ;;
        *guest-shutdown*) say "guest: agent shutdown"
            case $line in *reboot*) reboot -f ;; *) poweroff -f ;; esac ;;
        *) echo '{"error": {"class": "CommandNotFound", "desc": "not here"}}' ;;
        esac
    done
}
if told guest.agent=yes || told guest.dead=yes; then
    for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_console; do
        insmod /modules/$module.ko
    done
    for port in /sys/class/virtio-ports/*; do
        [ "$(cat "$port/name")" = org.qemu.guest_agent.0 ] && agent_port=/dev/${port##*/}
    done
    told guest.dead=yes && agent() { cat >/dev/null; }
    # the port reads as ended for as long as nobody has it open on the host
    exec 3<>"$agent_port"
    while :; do agent; sleep 0.1; done <&3 >&3 &
fi

say "guest: ready"
while :; do sleep 3600 & wait; done
