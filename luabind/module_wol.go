package luabind

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"

	"ctys/primitives"
	"ctys/primitives/wol"

	lua "github.com/yuin/gopher-lua"
)

// wolModule sends magic packets.
func (rt *Runtime) wolModule() *Module {
	return &Module{
		Name: "wol",
		Help: "Wake-on-LAN: send magic packets.",
		Functions: []Function{{
			Name: "send",
			Help: "Sends one magic packet: with address as UDP, else as a raw frame (EtherType 0x0842) on interface. Says nothing of whether a machine woke.",
			Options: []Param{
				{Name: "mac", Type: MAC, Required: true, Help: "of the machine to wake"},
				{Name: "interface", Type: String, Help: "to send a raw frame on, or to bind UDP to"},
				{Name: "unicast", Type: Boolean, Help: "raw: address the frame to mac instead of ff:ff:ff:ff:ff:ff"},
				{Name: "address", Type: String, Help: "UDP: name or IP address; a directed broadcast is one too"},
				{Name: "port", Type: Integer, Min: 1, Max: 65535, Help: "UDP; 9 where left out"},
				{Name: "password", Type: Secret, Help: "SecureOn, 4 or 6 bytes in etherwake's notation; it crosses the wire in clear"},
			},
			Result:  `{way="ethernet"|"udp", interface=…, destination=…, bytes=102|106|108}`,
			Errors:  []primitives.Kind{primitives.Denied, primitives.Unreachable, primitives.Invalid, primitives.Unsupported},
			Example: `wol.send{mac = "52:54:00:12:34:56", address = "127.0.0.1", port = 9}`,
			Op: &Operation{
				Effect: Write,
				Object: func(c *Call) string { return "mac " + c.MAC("mac").String() },
				Planned: func(c *Call) any {
					request := wolRequest(c)
					return wol.Sent{Way: wolWay(request), Interface: request.Interface, Destination: wolDestination(request), Bytes: 102}
				},
				Do: func(ctx context.Context, c *Call) (any, error) { return rt.wolSend(ctx, c) },
			},
		}, {
			Name:    "packet",
			Help:    "Lays a magic packet out without sending it: what wol.send would put on the wire before a password.",
			Options: []Param{{Name: "mac", Type: MAC, Required: true, Help: "of the machine to wake"}},
			Result:  `{mac="52:54:00:12:34:56", bytes=102, hex="ffffffffffff525400123456…"}`,
			Errors:  []primitives.Kind{primitives.Invalid},
			Example: `print(wol.packet{mac = "5254.0012.3456"}.hex)`,
			Run:     rt.wolPacket,
		}, {
			Name:    "password_ok",
			Help:    "Tells whether a secret is a SecureOn password; it raises kind invalid where it is not, without showing it.",
			Args:    []Param{{Name: "password", Type: Secret, Required: true}},
			Result:  "true",
			Errors:  []primitives.Kind{primitives.Invalid},
			Example: `wol.password_ok(secret.env("SECUREON"))`,
			Run: func(c *Call) ([]lua.LValue, error) {
				secret := c.Secret("password")
				_, err := Wait(rt, func(ctx context.Context) ([]byte, error) { return revealPassword(ctx, secret) })
				return []lua.LValue{lua.LTrue}, err
			},
		}},
	}
}

func (rt *Runtime) wolPacket(c *Call) ([]lua.LValue, error) {
	payload, err := wol.Payload(c.MAC("mac"), nil)
	if err != nil {
		return nil, err
	}
	return []lua.LValue{rt.toLua(map[string]any{
		"mac": c.MAC("mac").String(), "bytes": len(payload), "hex": hex.EncodeToString(payload),
	})}, nil
}

func wolRequest(c *Call) wol.Request {
	return wol.Request{
		MAC:       c.MAC("mac"),
		Interface: c.String("interface"),
		Unicast:   c.Bool("unicast"),
		Address:   c.String("address"),
		Port:      c.Int("port"),
	}
}

func (rt *Runtime) wolSend(ctx context.Context, c *Call) (wol.Sent, error) {
	request := wolRequest(c)
	if secret := c.Secret("password"); !secret.IsZero() {
		password, err := revealPassword(ctx, secret)
		if err != nil {
			return wol.Sent{}, err
		}
		request.Password = password
	}
	return rt.caps.WOL.Send(ctx, request)
}

func revealPassword(ctx context.Context, secret primitives.Secret) ([]byte, error) {
	text, err := secret.Reveal(ctx)
	if err != nil {
		return nil, err
	}
	return wol.ParsePassword(text)
}

func wolWay(request wol.Request) string {
	if request.Address != "" {
		return "udp"
	}
	return "ethernet"
}

func wolDestination(request wol.Request) string {
	switch {
	case request.Address != "":
		return fmt.Sprintf("%s port %d", request.Address, cmp.Or(request.Port, wol.DefaultPort))
	case request.Unicast:
		return request.MAC.String()
	}
	return "ff:ff:ff:ff:ff:ff"
}
