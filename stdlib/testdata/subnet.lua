-- IPv4 subnets and their directed broadcast addresses.

local subnet = require "subnet"

for text, want in pairs{
  ["192.168.3.17/24"] = "192.168.3.0/24 192.168.3.255", ["10.1.2.3/8"] = "10.0.0.0/8 10.255.255.255",
  ["172.16.77.129/25"] = "172.16.77.128/25 172.16.77.255", ["192.168.3.251/29"] = "192.168.3.248/29 192.168.3.255",
  ["192.168.3.5/30"] = "192.168.3.4/30 192.168.3.7", ["1.2.3.4/0"] = "0.0.0.0/0 255.255.255.255",
  ["10.0.0.1/31"] = "10.0.0.0/31 nil", ["10.0.0.1/32"] = "10.0.0.1/32 nil", ["255.255.255.255/16"] = "255.255.0.0/16 255.255.255.255",
} do
  local net = subnet.parse(text)
  local got = net.prefix .. " " .. tostring(net.broadcast)
  assert(got == want, text .. " is " .. got)
end

for _, text in ipairs{ "", "192.168.3.17", "192.168.3.17/33", "192.168.3.256/24", "192.168.3/24", "1.2.3.4.5/24", "fd00::1/64", "a.b.c.d/8", "192.168.3.17/", "192.168.3.17/-1" } do
  assert(subnet.parse(text) == nil, text)
end

local net = subnet.parse("192.168.3.128/25")
assert(subnet.contains(net, "192.168.3.200") and not subnet.contains(net, "192.168.3.100"))
assert(not subnet.contains(net, "fd00::1") and not subnet.contains(net, "lab01"))

assert(subnet.of{ kind = "loopback", addresses = { "127.0.0.1/8" } } == nil)
assert(subnet.of{ kind = "bridge", addresses = { "fe80::1/64", "169.254.1.1/16", "10.0.0.1/32", "10.0.7.1/24", "10.0.8.1/24" } }.prefix == "10.0.7.0/24")
assert(subnet.of{ addresses = { "fd00::1/64" } } == nil and subnet.of{} == nil)
