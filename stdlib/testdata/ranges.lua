-- Names as ranges, and in which order.

local ranges = require "ranges"

local function text(...) return ranges.text{ ... } end

same(ranges.text{}, "")
same(text("lab01"), "lab01")
same(text("bmc003", "bmc001", "bmc002"), "bmc[001-003]")
same(text("bmc001", "bmc002", "bmc200"), "bmc[001-002,200]")
same(text("lab01", "lab03"), "lab[01,03]")
same(text("lab01", "lab01"), "lab01")
same(text("web", "db"), "db,web")

-- Zeros in front are part of the name.
same(text("n8", "n9", "n10", "n11"), "n[8-11]")
same(text("n08", "n09", "n10"), "n[08-10]")
same(text("n1", "n01", "n2", "n02"), "n[1,01,2,02]")
same(text("n098", "n099", "n100"), "n[098-100]")
same(text("n99", "n100", "n0100"), "n[99-100,0100]")
same(text("n0", "n1", "n00"), "n[0,00,1]")

-- The last number is folded; what stands behind it stays.
same(text("r1n01", "r1n02", "r2n01"), "r1n[01-02],r2n01")
same(text("lab1-ipmi", "lab2-ipmi", "lab3"), "lab[1-2]-ipmi,lab3")
same(text("10.0.0.9", "10.0.0.10", "10.0.1.1"), "10.0.0.[9-10],10.0.1.1")
same(text("7", "8", "9"), "[7-9]")

-- What the inventory would not read back is left as it is.
same(text("x1234567890", "x1234567891"), "x1234567890,x1234567891")
same(text("[fe80::1]", "[fe80::2]"), "[fe80::1],[fe80::2]")

-- As people sort.
same(ranges.sorted{ "lab10", "lab2", "lab1", "a", "lab", "lab2b", "lab02" }, { "a", "lab", "lab1", "lab2", "lab2b", "lab02", "lab10" })
same(ranges.fold{ "b2", "a10", "a9", "b1" }, { "a[9-10]", "b[1-2]" })
