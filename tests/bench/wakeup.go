package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// One magic packet, from the start of the process to its end, beside the
// program that is written for nothing else. Both send to a socket that counts.
const (
	pairs       = 60
	warmUp      = 5
	binary      = "bin/ctys"
	address     = "52:54:00:12:34:56"
	toWakeonlan = 0.7
)

func benchWakeup() error {
	other, err := exec.LookPath("wakeonlan")
	if err != nil {
		fmt.Println("wakeup: not measured, the program wakeonlan is missing (make test-deps)")
		return nil
	}
	if _, err := os.Stat(binary); err != nil {
		return fmt.Errorf("%s is missing: make build", binary)
	}
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer socket.Close()
	port := strconv.Itoa(socket.LocalAddr().(*net.UDPAddr).Port)
	ours := []string{binary, "wakeup", "-t", "127.0.0.1", "-p", port, address}
	theirs := []string{other, "-i", "127.0.0.1", "-p", port, address}

	quotients, err := alternate(func() (time.Duration, error) { return once(socket, ours) }, func() (time.Duration, error) { return once(socket, theirs) })
	if err != nil {
		return err
	}
	return ratio("ctys wakeup to wakeonlan (perl), whole processes, median", median(quotients), toWakeonlan)
}

// alternate runs the two in turn, and in the other order every second time, and
// gives the quotients of what they took.
func alternate(ours, theirs func() (time.Duration, error)) ([]float64, error) {
	var quotients []float64
	for i := range warmUp + pairs {
		var mine, other time.Duration
		var first, second error
		if i%2 == 0 {
			mine, first = ours()
			other, second = theirs()
		} else {
			other, second = theirs()
			mine, first = ours()
		}
		if err := errors.Join(first, second); err != nil {
			return nil, err
		}
		if i >= warmUp {
			quotients = append(quotients, float64(mine)/float64(other))
		}
	}
	return quotients, nil
}

// once runs a program and takes its packet from the socket.
func once(socket *net.UDPConn, argv []string) (time.Duration, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("%v: %w", argv, err)
	}
	packet := make([]byte, 2048)
	if err := socket.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return 0, err
	}
	n, err := socket.Read(packet)
	if err != nil {
		return 0, fmt.Errorf("%v sent nothing: %w", argv, err)
	}
	if n != 102 {
		return 0, fmt.Errorf("%v sent %d bytes, want 102", argv, n)
	}
	return took, nil
}

func median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
