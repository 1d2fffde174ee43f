"""What `pulumi up` runs."""

from program import fleet

fleet()
