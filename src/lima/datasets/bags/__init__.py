"""ROS 1 bags, ROS 2 bags and MCAP files: what they hold, and their way into a plain folder."""
