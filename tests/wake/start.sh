#!/bin/busybox sh
# What the machine's init runs first: everything up to the network.
/bin/busybox --install -s /bin
export PATH=/bin:/usr/sbin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir -p /dev/pts
mkdir -m 1777 /run/lock
mount -t devpts pts /dev/pts
hostname -F /etc/hostname
for module in $(cat /etc/modules); do insmod "/modules/$module.ko"; done
ip link set lo up
ip link add br0 type bridge
ip link set eth0 master br0
ip link set eth0 up
ip link set br0 up
ip addr add "$(cat /etc/address)" broadcast + dev br0
