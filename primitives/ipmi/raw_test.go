package ipmi

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// deadlineOnce is for a call that loses a packet.
const deadlineOnce = 1500 * time.Millisecond

func TestRawCheck(t *testing.T) {
	for _, bad := range []Request{{NetFn: 1}, {NetFn: 0x07}, {NetFn: 64}, {NetFn: 255}, {LUN: 4}, {Data: make([]byte, MaxRawData+1)}} {
		_, err := New(Options{}).Raw(context.Background(), Target{Host: "127.112.0.1"}, bad)
		wantKind(t, err, primitives.Invalid)
	}
	if err := (Request{NetFn: 62, LUN: 3, Command: 255, Data: make([]byte, MaxRawData)}).check(); err != nil {
		t.Error(err)
	}
}

// A command that only reads may be repeated and asks for what it needs; any
// other is sent once, and never as ADMINISTRATOR.
func TestRawPrivilege(t *testing.T) {
	for _, test := range []struct {
		request Request
		level   types.PrivilegeLevel
		once    bool
	}{
		{Request{NetFn: netFnApp, Command: 0x01}, types.PrivilegeLevelUser, false},
		{Request{NetFn: netFnChassis, Command: 0x01}, types.PrivilegeLevelUser, false},
		{Request{NetFn: netFnSensor, Command: 0x2d, Data: []byte{1}}, types.PrivilegeLevelUser, false},
		{Request{NetFn: netFnStorage, Command: 0x43}, types.PrivilegeLevelUser, false},
		{Request{NetFn: netFnChassis, Command: 0x09}, types.PrivilegeLevelOperator, false},
		{Request{NetFn: netFnTransport, Command: 0x02}, types.PrivilegeLevelOperator, false},
		{Request{NetFn: netFnChassis, Command: 0x02, Data: []byte{2}}, types.PrivilegeLevelOperator, true}, // cycle
		{Request{NetFn: netFnStorage, Command: 0x47}, types.PrivilegeLevelOperator, true},                  // clear the log
		{Request{NetFn: netFnApp, Command: 0x47}, types.PrivilegeLevelOperator, true},                      // a password
		{Request{NetFn: netFnApp, Command: 0x02}, types.PrivilegeLevelOperator, true},                      // cold reset
		{Request{NetFn: netFnApp, Command: 0x34}, types.PrivilegeLevelOperator, true},                      // to another controller
		{Request{NetFn: netFnApp, Command: 0x33}, types.PrivilegeLevelOperator, true},                      // takes a message away
		{Request{NetFn: netFnTransport, Command: 0x14}, types.PrivilegeLevelOperator, true},                // sets data to transmit
		{Request{NetFn: 0x2c, Command: 0x02}, types.PrivilegeLevelOperator, true},
		{Request{NetFn: 0x30, Command: 0x01}, types.PrivilegeLevelOperator, true},
	} {
		if level, _ := test.request.Privilege(); level != test.level {
			t.Errorf("%+v asks for %s, want %s", test.request, level, test.level)
		}
		bmc := &scriptedBMC{t: t, answer: func(command) ([]byte, byte) { return []byte{1, 2}, 0 }}
		reply, err := raw(context.Background(), bmc, test.request)
		if err != nil || reply.Code != 0 || len(reply.Data) != 2 || (len(bmc.sentOnce) == 1) != test.once || len(bmc.asked) != 1 {
			t.Errorf("%+v: %+v, %v, %d times once", test.request, reply, err, len(bmc.sentOnce))
		}
	}
}

func TestRawReplies(t *testing.T) {
	for code, words := range map[byte]string{0xc1: "it does not know this command", 0xc0: "it is busy", 0xff: "unspecified error",
		0x01: "a code of its maker's own", 0x80: "a code that only this command defines", 0xe0: "a reserved code"} {
		bmc := &scriptedBMC{t: t, answer: func(command) ([]byte, byte) { return nil, code }}
		reply, err := raw(context.Background(), bmc, Request{NetFn: 0x30, Command: 1})
		if err != nil || reply.Code != code || reply.Text != words {
			t.Errorf("%#02x: %+v, %v", code, reply, err)
		}
	}
	bmc := &scriptedBMC{t: t, answer: func(command) ([]byte, byte) { return nil, codePrivilege }}
	_, err := raw(context.Background(), bmc, Request{NetFn: netFnApp, Command: 0x47})
	wantFailure(t, err, primitives.Denied, "OPERATOR", "0xd4")
	bmc.answer = func(command) ([]byte, byte) { return nil, lost }
	_, err = raw(context.Background(), bmc, Request{NetFn: 0x30, Command: 1})
	wantFailure(t, err, primitives.Timeout)
}

// A raw command that is no known reader reaches the machine once, whatever is
// lost on the way.
func TestRawAtMostOnce(t *testing.T) {
	for _, replies := range []bool{false, true} {
		for n := 1; n <= 7; n++ {
			t.Run(fmt.Sprintf("replies=%v/%d", replies, n), func(t *testing.T) {
				t.Parallel()
				peer := startLibraryBMC(t, "127.112.0.21", 3)
				path := startRelay(t, peer.target, func(reply bool, count int, _ []byte) bool { return reply == replies && count == n })
				ctx, cancel := context.WithTimeout(context.Background(), deadlineOnce)
				defer cancel()
				_, err := New(Options{}).Raw(ctx, path.target, Request{NetFn: netFnChassis, Command: 0x02, Data: []byte{2}})
				done := peer.chassis.cycles()
				if done > 1 || err == nil && done != 1 {
					t.Errorf("%v, and the machine was cycled %d times", err, done)
				}
				if err != nil && done == 1 {
					wantKind(t, err, primitives.Timeout, "unknown, not repeated")
				}
			})
		}
	}
}

func FuzzRaw(f *testing.F) {
	f.Add(byte(6), byte(0), byte(1), []byte{1})
	f.Fuzz(func(t *testing.T, netFn, lun, number byte, data []byte) {
		request := Request{NetFn: netFn, LUN: lun, Command: number, Data: data}
		if request.check() != nil {
			return
		}
		for code := range 256 {
			bmc := &scriptedBMC{t: t, answer: func(command) ([]byte, byte) { return data, byte(code) }}
			reply, err := raw(context.Background(), bmc, request)
			if err == nil && (reply.Text == "" || reply.Code != byte(code)) {
				t.Errorf("code %#02x: %+v", code, reply)
			}
		}
	})
}
