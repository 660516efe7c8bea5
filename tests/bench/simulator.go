package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// simulator is OpenIPMI's ipmi_sim, a BMC of others. It has no program for its
// chassis, which would cost it more than all the rest; its machine is off.
type simulator struct {
	cmd     *exec.Cmd
	port    int
	folder  string
	secrets []string
}

const (
	simAddress  = "127.115.1.1"
	simEmulator = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 100 0x0a
mc_enable 0x20
`
	simLAN = `name "bmc"
set_working_mc 0x20
  startlan 1
    addr %s %d
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid 44454c4c3200104a8054b4c04f4e5231
  endlan
  user 1 false "" "" user 10 none md2 md5 straight
  user 2 true "admin" "secret" admin 10 none md2 md5 straight
`
)

func startSimulator(path, folder string) (*simulator, error) {
	conn, err := net.ListenPacket("udp", net.JoinHostPort(simAddress, "0"))
	if err != nil {
		return nil, err
	}
	s := &simulator{port: conn.LocalAddr().(*net.UDPAddr).Port, folder: folder, secrets: []string{farmSecret + "=secret", "IPMI_PASSWORD=secret"}}
	_ = conn.Close()
	for name, text := range map[string]string{"emulator": simEmulator, "lan": fmt.Sprintf(simLAN, simAddress, s.port)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "state"), 0o700); err != nil {
		return nil, err
	}
	s.cmd = exec.Command(path, "-n", "-c", filepath.Join(folder, "lan"), "-f", filepath.Join(folder, "emulator"), "-s", filepath.Join(folder, "state"))
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.await(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *simulator) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// await pings it (RMCP, 13.2.3) until it answers.
func (s *simulator) await() error {
	conn, err := net.Dial("udp", net.JoinHostPort(simAddress, fmt.Sprint(s.port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	ping := []byte{6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0, 0, 0}
	for range 100 {
		if _, err := conn.Write(ping); err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if _, err := conn.Read(make([]byte, 64)); err == nil {
				return nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("ipmi_sim does not answer at %s:%d", simAddress, s.port)
}
