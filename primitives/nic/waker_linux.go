package nic

// systemWaker is waker on the real system: modes by the kernel's ethtool family,
// devices by sysfs.
type systemWaker struct {
	*ethtoolFamily
	devices
}

func openWaker() waker { return systemWaker{openEthtool(), systemDevices} }
