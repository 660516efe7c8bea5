#!/bin/busybox sh
# The machine's init: runs the tests that the kernel's command line names and
# switches off.
/bin/busybox --install -s /bin
export PATH=/usr/bin:/usr/sbin:/bin HOME=/tmp # iproute2 before busybox
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
for module in $(cat /etc/modules); do insmod "/modules/$module.ko"; done
ip link set lo up
for word in $(cat /proc/cmdline); do
	case $word in kernel.tests=*) pattern=${word#*=} ;; esac
done
cd /tmp
/tests -test.v -test.run="$pattern"
echo "kernel: exit $?"
poweroff -f
